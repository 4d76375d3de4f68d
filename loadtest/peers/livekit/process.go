package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Linux counts a process's time in ticks of 10 ms towards its users, whatever its own clock does.
const tick = 10 * time.Millisecond

// sample is a look at a process: its time on the cores so far, user and kernel, and its resident memory in bytes.
type sample struct {
	cpu      time.Duration
	resident int64
}

func look(pid int) (sample, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return sample{}, err
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return sample{}, err
	}
	// The process's name before the last bracket may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	pages := bytes.Fields(statm)
	if len(fields) < 13 || len(pages) < 2 {
		return sample{}, fmt.Errorf("/proc says something unexpected of %d", pid)
	}
	user, err := strconv.ParseInt(string(fields[11]), 10, 64)
	if err != nil {
		return sample{}, err
	}
	kernel, err := strconv.ParseInt(string(fields[12]), 10, 64)
	if err != nil {
		return sample{}, err
	}
	resident, err := strconv.ParseInt(string(pages[1]), 10, 64)
	if err != nil {
		return sample{}, err
	}
	return sample{time.Duration(user+kernel) * tick, resident * int64(os.Getpagesize())}, nil
}
