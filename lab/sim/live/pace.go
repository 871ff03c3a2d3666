package live

import "time"

// MaxSpeed is how much faster than the wall clock a run may go.
const MaxSpeed = 1000

// pace says where a run should be: at speed 0 it stands still.
type pace struct {
	now   func() time.Time
	speed float64
	wall  time.Time     // when the run was at
	run   time.Duration // this time
}

func newPace(now func() time.Time) pace { return pace{now: now, speed: 1, wall: now()} }

// set changes the speed; the run is at a time.
func (p *pace) set(speed float64, run time.Duration) {
	p.speed = speed
	p.at(run)
}

// at says where the run is, for one that was taken somewhere else or is not fast enough.
func (p *pace) at(run time.Duration) { p.wall, p.run = p.now(), run }

// target is where the run should be now.
func (p *pace) target() time.Duration {
	return p.run + time.Duration(float64(p.now().Sub(p.wall))*p.speed)
}

// until is how long the wall clock takes to a time of the run.
func (p *pace) until(run time.Duration) time.Duration {
	return time.Duration(float64(run-p.target()) / p.speed)
}
