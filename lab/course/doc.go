// Package course is what a lab is for: its story, the tasks of an exercise with the points earned and the hints taken, and the steps of a
// run as they go. All of it is one file, course.json in the lab's run directory beside lab.json, which consoles show:
//
//	{
//	  "scenario": "break-fix-1", "title": "...", "text": "the story and the task, plain text with blank lines", "seed": 4711,
//	  "tasks": [{"name": "...", "title": "...", "text": "...", "points": 12, "earned": 0, "state": "open",
//	    "value": "what was measured", "want": "what should be", "message": "...", "hints": 3, "taken": ["text"], "checked": "2026-01-02T15:04:05Z"}],
//	  "steps": [{"name": "...", "what": "...", "state": "passed", "value": "...", "want": "...", "message": "...", "seconds": 1.2}],
//	  "earned": 0, "most": 12, "begun": "...", "graded": "...", "finished": "...", "over": "passed", "solution": "..."
//	}
//
// A task is open until it is graded, then passed or failed, as its checks find the lab at that moment. A hint costs its part of the task's
// points. over says how the exercise ended: "passed" when all tasks were, "solution" when the solution was asked for; from then on
// the points stay. What was broken, and solutions that nobody has asked for, are not in the file.
//
// The file is replaced atomically; who changes it holds course.lock.
package course
