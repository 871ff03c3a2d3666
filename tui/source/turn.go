package source

import "time"

const (
	holdTrip = 30 * time.Second // how long the last picture stays while a simulated lab is on its way back
	holdRest = 3 * time.Second  // and how long once the first daemon speaks again
)

// turned is how often the lab's time was turned back since it is watched. What a daemon says over a connection of before is of a
// future that has not happened.
func (s *Source) turned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.turns
}

// turnBack forgets what was heard: the daemons of now are others, and have journals of their own. Until all of them have spoken, what is
// shown stays what it was, so that no picture is of two moments. s.mu is held.
func (s *Source) turnBack() {
	if s.held == nil {
		s.held = s.fleet()
	}
	s.until = time.Now().Add(holdTrip)
	s.told = s.moment()
	s.turns++
	s.events, s.sorted, s.seen = nil, nil, map[string]uint64{}
	for _, n := range s.nodes {
		*n = Node{Name: n.Name, Role: n.Role, Socket: n.Socket, Operator: n.Operator, Problem: "time was turned back"}
	}
}

// holds says whether the picture of before time was turned back stays. s.mu is held.
func (s *Source) holds() bool {
	if s.held != nil && (time.Now().After(s.until) || s.allBack()) {
		s.held = nil
	}
	return s.held != nil
}

// allBack says whether every daemon that runs has spoken since.
func (s *Source) allBack() bool {
	if s.state == nil {
		return true
	}
	for i := range s.state.Nodes {
		n := &s.state.Nodes[i]
		if node := s.nodes[n.Name]; n.Wanted == "running" && !n.Outsider && (node == nil || !node.Connected || node.Snap == nil) {
			return false
		}
	}
	return true
}
