package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"casewire/cmd/casewire/app"
)

// What a node is told by its parent besides its arguments.
const (
	skewVariable  = "CASEWIRE_TEST_SKEW"  // how far its clock is off
	leaseVariable = "CASEWIRE_TEST_LEASE" // within which another node takes over
)

// nodeMain is "serve" for the folder, the address and the store in its arguments,
// with crash points, a clock that is off, and leases of the test's length.
func nodeMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b := &bomb{}
	go followLeash(func(line string) {
		b.arm(line)
		fmt.Println("armed")
	})
	p := place{data: os.Args[1], listen: os.Args[2], store: os.Args[3], config: os.Getenv(configVariable)}
	conf, err := p.load()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	skew, lease := duration(skewVariable), duration(leaseVariable)
	log, level := logger(os.Stderr, conf.Snapshot())
	a, err := app.Start(ctx, app.Options{
		Config: conf, Log: log, Level: level, Version: "nodes test", Check: b.pass, Lease: lease, Policy: atOnce(),
		Now: func() time.Time { return time.Now().Add(skew) },
	})
	if err == nil {
		err = runUntilDone(ctx, a, os.Stdout, log)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// duration reads a variable that the parent has set.
func duration(variable string) time.Duration {
	d, err := time.ParseDuration(os.Getenv(variable))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", variable, err)
		os.Exit(2)
	}
	return d
}
