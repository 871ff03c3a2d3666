package main

import (
	"context"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/driver"
)

// sabotage breaks a lab that is to be broken: what variables break is broken already, the actions want a group that works.
func sabotage(ctx context.Context, l driver.Lab, wait time.Duration) error {
	s := l.Scenario()
	if !s.Sabotaged || len(s.Sabotage.Do) == 0 {
		return nil
	}
	if err := l.WaitRegistered(ctx, wait); err != nil {
		return fmt.Errorf("%w\nnothing was broken yet: that begins with a group that works; getvpn-lab down %s ends the lab", err, l.Name())
	}
	if err := check.Sabotage(ctx, &check.Env{Lab: l, Scenario: s, Log: func(string, ...any) {}}); err != nil {
		return fmt.Errorf("%w; getvpn-lab down %s ends the lab", err, l.Name())
	}
	return nil
}
