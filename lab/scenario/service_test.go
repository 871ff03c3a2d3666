package scenario

import (
	"slices"
	"strings"
	"testing"
)

// withService gives gm1 a service.
func withService(service, of string) string {
	text := strings.Replace(good, "program: gm, vars: {who: me}", "program: gm, services: "+of+", vars: {who: me}", 1)
	return strings.Replace(text, "\nprograms:", "\nservices: {bird: "+service+"}\nprograms:", 1)
}

func TestServices(t *testing.T) {
	s, err := Parse("two.yaml", []byte(withService(`{binary: bird, args: [-c, "${file}", "${who}"], config: "id ${addr.wan0} ${run}"}`, "[bird]")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.HasServices(); n != "gm1" {
		t.Errorf("services at %q", n)
	}
	args, file, err := s.RenderService(s.Node("gm1"), "bird", Places{Service: "/lab/gm1"})
	if err != nil || !slices.Equal(args, []string{"-c", "/lab/gm1/bird.conf", "me"}) || file != "id "+s.Address("gm1").String()+" /lab/gm1" {
		t.Errorf("%q %q %v", args, file, err)
	}
	for service, want := range map[string]string{
		"{binary: bird, control: here}":           `unknown key "control"`,
		"{binary: /usr/sbin/bird}":                "service bird: binary: is the plain name of a program",
		`{binary: bird, config: "${nothing}"}`:    "service bird on node gm1: ${nothing} is not known",
		`{binary: bird, args: ["${socket}"]}`:     "${socket} is not known",
		"{binary: bird}, Bird: {binary: bird}":    `service name "Bird"`,
		"{binary: bird}, x: {package: something}": "service x: binary:",
	} {
		if _, err := Parse("two.yaml", []byte(withService(service, "[bird]")), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", service, err, want)
		}
	}
	for of, want := range map[string]string{"[frr]": `there is no service "frr"`, "[bird, bird]": "service bird is named twice"} {
		if _, err := Parse("two.yaml", []byte(withService("{binary: bird}", of)), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", of, err, want)
		}
	}
	if s, err = Parse("two.yaml", []byte(withService("{binary: bird}", "[]")), Options{}); err != nil {
		t.Fatal(err)
	}
	if w := s.Lint(); !slices.ContainsFunc(w, func(e *Error) bool { return e.Text == "services: bird is never used" }) {
		t.Errorf("%v", w)
	}
}
