package sourcetest

import (
	"time"

	"github.com/getvpn/getvpn/tui/source"
)

// Exercise returns the fleet of Cut in a lab that sets tasks: one is solved, one is not, with a hint, one was not looked at.
func Exercise() *source.Fleet {
	f := Cut()
	f.Lab, f.Title, f.State.Scenario = "break-fix-1", "lab break-fix-1", "break-fix-1"
	f.State.Node("gm2").Wanted = "paused"
	f.State.Node("gm4").Wanted = "killed"
	f.Course = &source.Course{
		Scenario: "break-fix-1", Title: "The branch that went silent",
		Text: "Since last night the branch behind gm3 reaches nobody. The people there have changed nothing, they say. The key server's log has more to tell than " +
			"the member's.\n\nFind out what is wrong and put it right, without taking traffic away from the others. What you may touch: the configuration files of ks1 and gm3, and their daemons.",
		Tasks: []source.CourseTask{
			{Name: "registered", Title: "gm3 is a member again", Text: "gm3 has registered with ks1 and holds the keys of group blue.", Points: 10, Earned: 10, State: source.TaskPassed,
				Value: "gm3 is registered", Want: "registered", Checked: Now.Add(-40 * time.Second), Hints: 2},
			{Name: "traffic", Title: "h3 and h1 reach each other", Text: "Every packet between h1 and h3 arrives, encrypted on its way through the core.", Points: 10, State: source.TaskFailed,
				Value: "0 of 10 packets from h3 arrived at h1", Want: "10 of 10, both ways", Message: "gm3 drops what h3 sends: no-sa",
				Checked: Now.Add(-40 * time.Second), Hints: 3, Taken: []string{"Compare what the access lists of gm1 and gm3 say: view 6 shows both, and whose rule each is. A rule of the member's own file stands before those of the group."}},
			{Name: "rekeys", Title: "The next rekey reaches all four members", Text: "After a rekey nobody is missing.", Points: 5, State: source.TaskOpen, Want: "4 acknowledgements", Hints: 1},
		},
		Steps: []source.CourseStep{}, Earned: 10, Most: 25, Graded: Now.Add(-40 * time.Second),
	}
	return f
}

// Running returns the fleet of Lab while the checks of its scenario are run.
func Running() *source.Fleet {
	f := Lab()
	f.Course = &source.Course{
		Scenario: "basic", Title: "A group forms, encrypts and rekeys", Text: "One key server, four group members with a LAN host each, and two core routers.",
		Tasks: []source.CourseTask{}, Steps: []source.CourseStep{
			{Name: "reach-all-pairs", What: "check reach: every host reaches every other", State: source.StepPassed, Value: "12 of 12 directions", Want: "all", Seconds: 1.2},
			{Name: "kill gm1", What: "kill gm1", State: source.StepDone, Seconds: 0.1},
			{Name: "fail-closed", What: "check fail-closed: nothing leaves in clear", State: source.StepFailed, Value: "3 clear packets in the core", Want: "none", Message: "the first of them at p1, from 10.1.1.10", Seconds: 5},
			{Name: "rollover-lossless", What: "check rollover-lossless", State: source.StepRunning},
			{Name: "core-only-esp", What: "check core-only-esp", State: source.StepWaiting},
		},
	}
	return f
}
