package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	sdk "github.com/livekit/server-sdk-go/v2"
)

// The phases of a run are those of the load tester (loadtest/src/scenario/run.rs), so that its figures mean the same.
const (
	settle   = time.Second
	ask      = 300 * time.Millisecond
	warmUp   = time.Second
	patience = 30 * time.Second
	last     = 800 * time.Millisecond
	step     = 500 * time.Millisecond
	behind   = 20
	enough   = 0.95
	late     = 150 * time.Millisecond
)

type quantiles struct {
	P50  int64 `json:"p50"`
	P90  int64 `json:"p90"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

type handshake struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

type server struct {
	CPU      float64 `json:"cpu_us_per_delivered"`
	Resident int64   `json:"rss_bytes_idle_per_session"`
}

// report has the keys of the load tester's, and the driver's own share of a core: pion costs more than the server.
type report struct {
	Scenario  string    `json:"scenario"`
	Sessions  int64     `json:"sessions"`
	Seconds   float64   `json:"seconds"`
	Sent      int64     `json:"sent"`
	Expected  int64     `json:"expected"`
	Delivered int64     `json:"delivered"`
	Lost      int64     `json:"lost"`
	Late      int64     `json:"late"`
	Latency   quantiles `json:"latency_us"`
	Handshake handshake `json:"handshake_ms"`
	Server    *server   `json:"server,omitempty"`
	OwnCPU    float64   `json:"own_cpu"`
}

// watch holds what was seen of the server's process: before the first session, with all of them idle, and around voice.
type watch struct{ before, idle, first, last sample }

func conduct(l load) (*report, error) {
	r := &room{load: l, clock: clock{time.Now()}}
	var w watch
	var err error
	if l.pid != 0 {
		if w.before, err = look(l.pid); err != nil {
			return nil, err
		}
	}
	sessions, err := r.gather()
	defer func() {
		for _, session := range sessions {
			go session.Disconnect()
		}
	}()
	if err != nil {
		return nil, err
	}
	own, err := r.measure(&w)
	if err != nil {
		return nil, err
	}
	return r.report(w, own), nil
}

// gather opens all sessions, one after the other at the ramp's pace, and waits until they hear the track.
func (r *room) gather() ([]*sdk.Room, error) {
	talker, err := r.publish()
	if err != nil {
		return nil, err
	}
	sessions, began := []*sdk.Room{talker}, r.clock.now()
	joined := make(chan *sdk.Room, r.load.listeners)
	for number := range r.load.listeners {
		r.clock.sleepUntil(began + time.Second*time.Duration(number)/time.Duration(r.load.ramp))
		go func() {
			session, err := r.listen(number)
			if err != nil {
				r.failed(err)
			}
			joined <- session
		}()
	}
	wanted, end := int64(1+r.load.listeners), r.clock.now()+patience
	for r.up.Load() < wanted && r.clock.now() < end {
		time.Sleep(50 * time.Millisecond)
	}
	for len(joined) > 0 {
		if session := <-joined; session != nil {
			sessions = append(sessions, session)
		}
	}
	if up := r.up.Load(); float64(up) < float64(wanted)*enough {
		r.lock.Lock()
		defer r.lock.Unlock()
		return sessions, fmt.Errorf("only %d of %d sessions came up: %v", up, wanted, r.fault)
	}
	r.quiet.Store(true)
	time.Sleep(settle)
	return sessions, nil
}

func (r *room) measure(w *watch) (float64, error) {
	look := func(into *sample) error {
		if r.load.pid == 0 {
			return nil
		}
		seen, err := look(r.load.pid)
		*into = seen
		return err
	}
	if err := look(&w.idle); err != nil {
		return 0, err
	}
	voice := r.clock.now() + ask
	from := voice + warmUp
	until := from + time.Duration(r.load.seconds)*time.Second
	r.from.Store(int64(from))
	r.until.Store(int64(until))
	r.voice.Store(int64(voice))
	r.clock.sleepUntil(from)
	own, err := ownCPU()
	if err != nil {
		return 0, err
	}
	if err := look(&w.first); err != nil {
		return 0, err
	}
	r.clock.sleepUntil(until)
	ownAfter, err := ownCPU()
	if err != nil {
		return 0, err
	}
	took := r.clock.now() - from
	if err := look(&w.last); err != nil {
		return 0, err
	}
	time.Sleep(last)
	if r.drain() {
		// The server worked on for what it was behind with: that belongs to these frames too.
		err = look(&w.last)
	}
	return float64(ownAfter-own) / float64(took), err
}

func ownCPU() (time.Duration, error) {
	seen, err := look(os.Getpid())
	return seen.cpu, err
}

// drain waits for a server that is behind, until nothing more comes; it says whether it was.
func (r *room) drain() bool {
	first := r.heard.Load()
	before := first
	for range behind {
		time.Sleep(step)
		now := r.heard.Load()
		if now == before && now > 0 {
			break
		}
		before = now
	}
	return before > first
}

func (r *room) report(w watch, own float64) *report {
	r.lock.Lock()
	defer r.lock.Unlock()
	var ages []time.Duration
	for _, l := range r.listeners {
		l.lock.Lock()
		ages = append(ages, l.ages...)
		l.lock.Unlock()
	}
	slices.Sort(ages)
	slices.Sort(r.handshakes)
	delivered, expected := int64(len(ages)), r.sent.Load()*int64(len(r.listeners))
	onTime, _ := slices.BinarySearch(ages, late+1)
	out := &report{
		Scenario: "livekit", Sessions: r.up.Load(), Seconds: float64(r.load.seconds), Sent: r.sent.Load(),
		Expected: expected, Delivered: delivered, Lost: max(expected-delivered, 0), Late: delivered - int64(onTime),
		OwnCPU: own,
	}
	micros := func(q float64) int64 { return quantile(ages, q).Microseconds() }
	out.Latency = quantiles{micros(0.5), micros(0.9), micros(0.99), micros(0.999), micros(1)}
	millis := func(q float64) float64 { return float64(quantile(r.handshakes, q).Microseconds()) / 1000 }
	out.Handshake = handshake{millis(0.5), millis(0.99)}
	if r.load.pid != 0 {
		cpu := float64((w.last.cpu - w.first.cpu).Microseconds())
		grown := max(w.idle.resident-w.before.resident, 0)
		out.Server = &server{cpu / float64(max(delivered, 1)), grown / max(r.up.Load(), 1)}
	}
	return out
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
