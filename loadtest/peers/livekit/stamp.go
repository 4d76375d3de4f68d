package main

import (
	"encoding/binary"
	"time"
)

// The mark inside each packet is that of the load tester (loadtest/src/stamp.rs): a table-of-contents byte of Opus
// (20 ms, one frame), "SLt", who, which, and when it should have been sent in nanoseconds of the run's clock.
const (
	stampLength = 1 + 3 + 2 + 4 + 8
	opusToc     = 0x78
	magic       = "SLt"
)

type clock struct{ start time.Time }

func (c clock) now() time.Duration { return time.Since(c.start) }

func (c clock) sleepUntil(moment time.Duration) { time.Sleep(moment - c.now()) }

func stamp(packet []byte, frame uint32, intended time.Duration) {
	packet[0] = opusToc
	copy(packet[1:4], magic)
	binary.BigEndian.PutUint16(packet[4:6], 0)
	binary.BigEndian.PutUint32(packet[6:10], frame)
	binary.BigEndian.PutUint64(packet[10:18], uint64(intended))
}

func readStamp(packet []byte) (frame uint32, intended time.Duration, ours bool) {
	if len(packet) < stampLength || packet[0] != opusToc || string(packet[1:4]) != magic {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(packet[6:10]), time.Duration(binary.BigEndian.Uint64(packet[10:18])), true
}
