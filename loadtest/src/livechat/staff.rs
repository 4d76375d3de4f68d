//! The one of staff: hears what every visitor writes.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Room;
use super::line::Line;

pub(super) async fn run(room: Rc<Room>) {
    let scene = &room.scene;
    let began = Instant::now();
    let mut line = match Line::open(scene.staff, scene.address, "/livechat/staff", &scene.staff_token).await {
        Ok(line) => line,
        Err(why) => return scene.shared.gave_up(&room.tally, || why),
    };
    scene.shared.entered(&room.tally, 0, began);
    let mut seen = HashSet::new();
    loop {
        match line.next().await {
            Ok((event, data)) if event == "livechat:message" => {
                if let Some(stamp) = data["text"].as_str().and_then(stamp) {
                    heard(&room, &mut seen, stamp);
                }
            }
            Ok(_) => {}
            Err(why) => return scene.shared.ended(&room.tally, || why),
        }
    }
}

/// Who wrote which message, and when it should have been sent.
type Stamp = (u32, u32, u64);

fn stamp(text: &str) -> Option<Stamp> {
    let mut words = text.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

fn heard(room: &Room, seen: &mut HashSet<(u32, u32)>, (visitor, message, intended): Stamp) {
    let shared = &room.scene.shared;
    let Some(into) = shared.phase.counted(intended) else { return };
    let mut tally = room.tally.borrow_mut();
    if seen.insert((visitor, message)) {
        tally.delivered(into, Duration::from_nanos(shared.clock.now().saturating_sub(intended)));
        shared.heard.fetch_add(1, Ordering::Relaxed);
    } else {
        tally.duplicates += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_who_wrote_it_and_when() {
        assert_eq!(stamp("7 3 123456789 xxxx"), Some((7, 3, 123_456_789)));
        assert_eq!(stamp("halo"), None);
    }
}
