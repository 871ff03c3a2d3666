package control

import (
	"context"
	_ "embed"
	"net/http"
	"syscall"
)

// document is made by the tests of this package, from Routes and the types (package openapi).
//
//go:embed openapi.json
var document []byte

// Document is the description of this interface, OpenAPI 3.1 as JSON.
func Document() []byte { return document }

func getDocument(_ *Server, w http.ResponseWriter, _ *http.Request) {
	send(w, http.StatusOK, document)
}

func versions() Versions { return Versions{API: APIVersion, Program: Version} }

func getVersion(_ *Server, w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, versions())
}

func (s *Server) getWhoami(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	snap, _, err := s.snapshot(ctx)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	me := Whoami{Name: snap.Name, Role: snap.Role, Version: versions(), Caller: CallerViewer, UID: -1, May: []string{}}
	if cred, ok := r.Context().Value(peerKey{}).(syscall.Ucred); ok {
		me.UID = int(cred.Uid)
	}
	if operator(r.Context()) {
		me.Caller = CallerOperator
		for _, route := range Routes() {
			if route.Operator && route.offered(&s.h) {
				me.May = append(me.May, route.Name())
			}
		}
	}
	answer(w, http.StatusOK, me)
}
