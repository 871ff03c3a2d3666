package source

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCourse: a lab's course is seen, and what has changed in it; a file that makes no sense changes nothing.
func TestCourse(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	dir := filepath.Join(LabDir(), "school")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) { // as getvpn-lab does
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	s := Lab("school")
	s.look()
	if f := s.Fleet(); f.State != nil || f.Course != nil {
		t.Fatalf("a lab that is just coming up has %+v, %+v", f.State, f.Course)
	}
	put("lab.json", `{"scenario":"break-fix-1"}`)
	put("course.json", `{"scenario":"break-fix-1","title":"One is missing","tasks":[{"name":"back","state":"open","points":10,"hints":2}],"most":10}`)
	s.look()
	first := s.Fleet().Course
	if first == nil || first.Title != "One is missing" || first.Task("back") == nil || first.Task("back").State != TaskOpen || first.Task("none") != nil {
		t.Fatalf("course is %+v", first)
	}
	s.look()
	if s.Fleet().Course != first {
		t.Error("a file that has not changed was read again")
	}
	put("course.json", `{"scenario":`)
	s.look()
	if s.Fleet().Course != first {
		t.Error("half a file was taken up")
	}
	put("course.json", `{"scenario":"break-fix-1","title":"One is missing","tasks":[{"name":"back","state":"passed","points":10,"earned":8,"hints":2,"taken":["Look at gm3"]}],"earned":8,"most":10}`)
	s.look()
	if now := s.Fleet().Course; now == first || now.Earned != 8 || now.Task("back").State != TaskPassed || first.Task("back").State != TaskOpen {
		t.Errorf("after grading: %+v, and what was handed out before: %+v", now, first)
	}
}
