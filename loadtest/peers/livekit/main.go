// Drives a LiveKit server with the same work as `suara loadtest flood` drives a gateway, and reports in the same form.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/go-logr/logr"
	"github.com/livekit/protocol/logger"
	sdk "github.com/livekit/server-sdk-go/v2"
)

// load says how much of what; the names are those of the load tester's flags.
type load struct {
	port, listeners, talkers, rate, size, seconds, ramp, pid int
	json                                                     string
}

func parse() load {
	var l load
	flag.IntVar(&l.port, "port", 7880, "the server's port")
	flag.IntVar(&l.listeners, "listeners", 100, "subscribers")
	flag.IntVar(&l.talkers, "talkers", 1, "one, no more")
	flag.IntVar(&l.rate, "rate", 50, "frames a second")
	flag.IntVar(&l.size, "size", 100, "bytes of each packet")
	flag.IntVar(&l.seconds, "seconds", 10, "seconds that are measured, after a second of voice that isn't")
	flag.IntVar(&l.ramp, "ramp", 20, "sessions that are opened a second")
	flag.IntVar(&l.pid, "server-pid", 0, "the server's process")
	flag.StringVar(&l.json, "json", "", "writes the figures as one JSON object")
	flag.Parse()
	return l
}

func main() {
	if err := drive(parse()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func drive(l load) error {
	switch {
	case l.talkers != 1:
		return fmt.Errorf("one talker, no more: a listener follows one track")
	case l.size < stampLength || l.rate < 1 || l.ramp < 1 || l.seconds < 1:
		return fmt.Errorf("a frame has at least %d bytes, and nothing else is zero", stampLength)
	}
	// The driver's own collector should cost it as little of its core as can be had for memory.
	debug.SetGCPercent(400)
	silence := logger.LogRLogger(logr.Discard())
	logger.SetLogger(silence, "")
	sdk.SetLogger(silence)
	report, err := conduct(l)
	if err != nil {
		return err
	}
	bytes, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	bytes = append(bytes, '\n')
	if l.json == "" {
		_, err = os.Stdout.Write(bytes)
		return err
	}
	return os.WriteFile(l.json, bytes, 0o644)
}
