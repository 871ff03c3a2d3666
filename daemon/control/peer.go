package control

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
)

// listener bounds the number of connections.
type listener struct {
	net.Listener
	slots chan struct{}
}

// Accept waits for a free slot, then for a connection.
func (l *listener) Accept() (net.Conn, error) {
	l.slots <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &peerConn{Conn: c, cred: credentials(c), release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// peerConn knows who opened it.
type peerConn struct {
	net.Conn
	cred    *syscall.Ucred // nil: not known
	release func()
}

// Close frees the slot.
func (c *peerConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// credentials asks the kernel for the process that opened the connection.
func credentials(c net.Conn) (cred *syscall.Ucred) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		if got, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			cred = got
		}
	})
	return cred
}

// peerKey is the context key of a connection's credentials.
type peerKey struct{}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*peerConn); ok && p.cred != nil {
		ctx = context.WithValue(ctx, peerKey{}, *p.cred)
	}
	return ctx
}

// operator says whether the peer may command: root, or the daemon's own user. Without credentials nobody may.
func operator(ctx context.Context) bool {
	cred, ok := ctx.Value(peerKey{}).(syscall.Ucred)
	return ok && (cred.Uid == 0 || int(cred.Uid) == os.Geteuid())
}
