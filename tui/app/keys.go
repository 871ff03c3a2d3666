package app

import "github.com/charmbracelet/bubbles/key"

// keyMap is the one place where keys are named; the footer and the help are made from it, so they cannot lie.
type keyMap struct {
	Next, Prev, Up, Down, PageUp, PageDown, Top, Bottom key.Binding
	Open, Back, Filter, Freeze, Help, Quit              key.Binding
	Rekey, RekeyKEK, Kill, Start, Clear, Remove         key.Binding
	Handover                                            key.Binding
	Tabs                                                []key.Binding
}

func bind(help string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(keys[0], help))
}

func defaultKeys() keyMap {
	k := keyMap{
		Next: bind("next view", "tab", "right"), Prev: bind("previous view", "shift+tab", "left"),
		Up: bind("up", "up", "k"), Down: bind("down", "down", "j"),
		PageUp: bind("page up", "pgup", "ctrl+b"), PageDown: bind("page down", "pgdown", "ctrl+f"),
		Top: bind("first", "home", "g"), Bottom: bind("last", "end", "G"),
		Open: bind("open", "enter"), Back: bind("back", "esc"), Filter: bind("filter (! excludes)", "/"),
		Freeze: bind("freeze screen", " "), Help: bind("help", "?"), Quit: bind("quit", "q", "ctrl+c"),
		Rekey: bind("new TEK", "r"), RekeyKEK: bind("new TEK and KEK", "R"),
		Kill: bind("kill node (lab)", "K"), Start: bind("start node (lab)", "S"), Clear: bind("clear member", "C"),
		Remove: bind("remove member", "X"), Handover: bind("make it primary", "H"),
	}
	k.Freeze.SetHelp("space", "freeze screen")
	k.Quit.SetHelp("q", "quit")
	for _, n := range []string{"1", "2", "3", "4", "5", "6"} {
		k.Tabs = append(k.Tabs, bind("view "+n, n))
	}
	return k
}

// groups lists all bindings for the help screen, in blocks.
func (k keyMap) groups() []struct {
	title string
	keys  []key.Binding
} {
	return []struct {
		title string
		keys  []key.Binding
	}{
		{"Move", []key.Binding{k.Next, k.Prev, k.Up, k.Down, k.PageUp, k.PageDown, k.Top, k.Bottom, k.Open, k.Back}},
		{"Look", []key.Binding{k.Filter, k.Freeze, k.Help, k.Quit}},
		{"Act (each asks first)", []key.Binding{k.Rekey, k.RekeyKEK, k.Clear, k.Remove, k.Handover, k.Kill, k.Start}},
	}
}
