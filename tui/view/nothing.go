package view

// empty is a page that says why it has nothing to show, and what would change that.
func (f *Frame) empty(title string, more ...string) *Page {
	p := &Page{Head: []string{"", "  " + f.Theme.Title.Render(title), ""}}
	for _, l := range more {
		p.Head = append(p.Head, "  "+f.Theme.Dim.Render(l))
	}
	return p
}

// nothing is the page of a console that has found nobody.
func nothing(f *Frame) *Page {
	t := f.Theme
	return &Page{Head: []string{
		"", "  " + t.Title.Render("Nothing to show yet: no daemon's socket was found."), "",
		"  " + t.Dim.Render("The console is attached to ") + t.Text.Render(f.Fleet.Title) + t.Dim.Render(" and goes on looking."),
		"  " + t.Dim.Render("Start a lab with ") + t.Accent.Render("getvpn-lab up basic") + t.Dim.Render(", or name a socket: ") + t.Accent.Render("getvpn-tui --socket PATH"),
	}}
}
