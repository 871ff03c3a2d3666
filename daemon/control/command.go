package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// command answers one request with f.
func command[T any](s *Server, w http.ResponseWriter, r *http.Request, f func(context.Context, T) (Reply, error)) {
	var req T
	if err := readBody(w, r, &req); err != nil {
		fail(w, http.StatusBadRequest, "request: "+err.Error())
		return
	}
	dry, err := dryRun(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	key, err := keyOf(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	switch {
	case dry: // done again if it is asked for again: the answer may have changed
		s.dryRun(w, r, req)
	case key == "":
		status, reply := result(r.Context(), req, f)
		answer(w, status, reply)
	default:
		s.once(w, r, key, req, func(ctx context.Context) (int, Reply) { return result(ctx, req, f) })
	}
}

// result carries the request out.
func result[T any](ctx context.Context, req T, f func(context.Context, T) (Reply, error)) (int, Reply) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	reply, err := f(ctx, req)
	switch {
	case errors.Is(err, ErrRefused):
		return http.StatusBadRequest, Reply{Error: err.Error()}
	case err != nil:
		return http.StatusInternalServerError, Reply{Error: err.Error()}
	}
	return http.StatusOK, reply
}

// dryRun says whether nothing is to be done.
func dryRun(r *http.Request) (bool, error) {
	given, ok := r.Form[queryDryRun]
	if !ok {
		return false, nil
	}
	dry, err := strconv.ParseBool(given[0])
	if err != nil || len(given) > 1 {
		return false, fmt.Errorf("%s must be true or false, once; nothing was done", queryDryRun)
	}
	return dry, nil
}

func (s *Server) dryRun(w http.ResponseWriter, r *http.Request, req any) {
	if s.h.DryRun == nil {
		fail(w, http.StatusNotImplemented, "this daemon cannot say what would be done; nothing was done")
		return
	}
	status, reply := result(r.Context(), req, s.h.DryRun)
	reply.DryRun = true
	answer(w, status, reply)
}

// readBody reads one JSON value; an empty body is an empty request.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if dec.More() {
		return errors.New("something follows the JSON value")
	}
	return nil
}
