//! One visitor: comes, writes at its times, counts what is acknowledged.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Room;
use super::line::Line;

/// How often a visitor looks whether it may begin to write.
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn run(room: Rc<Room>, number: usize) {
    let scene = &room.scene;
    tokio::time::sleep_until(scene.shared.clock.at((scene.step * number as u32).as_nanos() as u64).into())
        .await;
    let began = Instant::now();
    match Line::open(scene.visitors, scene.address, "/livechat/ws", &scene.tokens[number]).await {
        Ok(line) => {
            scene.shared.entered(&room.tally, 0, began);
            let visitor = Visitor { room: room.clone(), line, number, sent: 0, last: 0 };
            let why = visitor.live().await;
            room.scene.shared.ended(&room.tally, || why);
        }
        Err(why) => scene.shared.gave_up(&room.tally, || why),
    }
}

struct Visitor {
    room: Rc<Room>,
    line: Line,
    number: usize,
    sent: u32,
    /// The number of its newest message.
    last: u64,
}

impl Visitor {
    async fn live(mut self) -> String {
        loop {
            let due = self.due();
            let done = tokio::select! {
                event = self.line.next() => event.map(|(event, data)| self.heard(&event, &data)),
                () = tokio::time::sleep_until(due.into()) => self.write().await,
            };
            if let Err(why) = done {
                return why;
            }
        }
    }

    /// When to write next, in the run's own time; visitors are spread over the time from one message to the next.
    fn moment(&self) -> Option<u64> {
        let scene = &self.room.scene;
        let offset = scene.every.as_nanos() as u64 * self.number as u64 / scene.tokens.len().max(1) as u64;
        let moment = scene.shared.phase.voice()? + offset + (scene.every * self.sent).as_nanos() as u64;
        (moment < scene.shared.phase.until()).then_some(moment)
    }

    fn due(&self) -> Instant {
        match self.moment() {
            Some(moment) => self.room.scene.shared.clock.at(moment),
            None => Instant::now() + LOOK,
        }
    }

    async fn write(&mut self) -> Result<(), String> {
        let room = self.room.clone();
        let scene = &room.scene;
        let now = scene.shared.clock.now();
        let Some(intended) = self.moment().filter(|moment| *moment <= now) else { return Ok(()) };
        if let Some(into) = scene.shared.phase.counted(intended) {
            room.tally.borrow_mut().sent(into, Duration::from_nanos(now - intended), 1);
        }
        scene.shared.sent.fetch_add(1, Ordering::Relaxed);
        self.sent += 1;
        // What staff knows it by: who, which, and when it should have been sent.
        let mut text = format!("{} {} {intended} ", self.number, self.sent);
        text.extend(std::iter::repeat_n('x', scene.size.saturating_sub(text.len())));
        self.line.say("message:send", &json!({ "id": format!("{intended}"), "text": text })).await
    }

    fn heard(&mut self, event: &str, data: &Value) {
        let scene = &self.room.scene;
        let now = scene.shared.clock.now();
        match event {
            "message:ack" => {
                let number = data["messageId"].as_u64().unwrap_or(0);
                let follows = number == self.last + 1;
                self.last = number;
                let intended = data["id"].as_str().and_then(|id| id.parse::<u64>().ok());
                let counted = intended.filter(|intended| scene.shared.phase.counted(*intended).is_some());
                scene.ledger.note(|acks| {
                    acks.out_of_order += u64::from(!follows);
                    if let Some(intended) = counted {
                        acks.acked += 1;
                        acks.latency.saturating_record(now.saturating_sub(intended) / 1000);
                    }
                });
            }
            event if event.starts_with("error:") => {
                self.room.tally.borrow_mut().fault(|| format!("{event}: {data}"));
                scene.ledger.note(|acks| acks.refused += 1);
            }
            _ => {}
        }
    }
}
