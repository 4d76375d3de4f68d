package main

import (
	"encoding/hex"
	"os"
	"testing"
	"time"
)

// The bytes are those that loadtest/src/stamp.rs writes for source 0, frame 70 000, intended at 2^40 ns.
func TestAStampIsThatOfTheLoadTester(t *testing.T) {
	packet := make([]byte, 20)
	stamp(packet, 70_000, 1<<40)
	if got := hex.EncodeToString(packet); got != "78534c74000000011170000001000000000000"+"00" {
		t.Fatalf("written as %s", got)
	}
	frame, intended, ours := readStamp(packet)
	if !ours || frame != 70_000 || intended != 1<<40 {
		t.Fatalf("read as %d, %d, %v", frame, intended, ours)
	}
	if _, _, ours := readStamp(packet[:stampLength-1]); ours {
		t.Fatal("a packet that is cut short has no stamp")
	}
	if _, _, ours := readStamp(make([]byte, 100)); ours {
		t.Fatal("filler has no stamp")
	}
}

func TestAFrameCountsOnceForEachListener(t *testing.T) {
	r := &room{}
	one := &listener{room: r, heard: make(map[uint32]struct{})}
	other := &listener{room: r, heard: make(map[uint32]struct{})}
	r.listeners = []*listener{one, other}
	r.sent.Store(2)
	r.up.Store(3)
	one.note(0, time.Millisecond)
	one.note(0, time.Millisecond)
	other.note(0, late+time.Millisecond)
	report := r.report(watch{}, 0)
	if report.Delivered != 2 || report.Expected != 4 || report.Lost != 2 || report.Late != 1 || one.duplicates != 1 {
		t.Fatalf("%+v", report)
	}
	if report.Latency.P50 != 151_000 || report.Latency.Max != 151_000 || report.Server != nil {
		t.Fatalf("%+v", report)
	}
}

func TestOnlyWhatIsDueInTheMeasuredPartCounts(t *testing.T) {
	r := &room{}
	if r.counted(0) {
		t.Fatal("nothing counts before voice begins")
	}
	r.from.Store(10)
	r.until.Store(20)
	for intended, want := range map[time.Duration]bool{9: false, 10: true, 19: true, 20: false} {
		if r.counted(intended) != want {
			t.Errorf("%d: not %v", intended, want)
		}
	}
}

func TestAProcessIsRead(t *testing.T) {
	seen, err := look(os.Getpid())
	if err != nil || seen.resident < 100_000 {
		t.Fatalf("%+v, %v", seen, err)
	}
	if _, err := look(1 << 30); err == nil {
		t.Fatal("there is no such process")
	}
}
