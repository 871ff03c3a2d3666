package netcfg

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// pingArg asks for ICMPv6 echo requests.
type pingArg struct {
	Dst         string
	Size, Count int // of the ICMPv6 message's data
	Wait        int // milliseconds for each answer
}

// pingRole prints how many echo replies came, as `ping -6` would.
func pingRole(arg string) error {
	var a pingArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	c, err := net.ListenPacket("ip6:ipv6-icmp", "::") // the kernel makes the checksum, RFC 3542 §3.1
	if err != nil {
		return err
	}
	fmt.Println("ready")
	received := 0
	b := make([]byte, 65536)
	for i := range a.Count {
		msg := make([]byte, 8+a.Size)
		msg[0] = 128
		binary.BigEndian.PutUint16(msg[4:], uint16(os.Getpid()))
		binary.BigEndian.PutUint16(msg[6:], uint16(i))
		for j := range a.Size {
			msg[8+j] = byte(i + j)
		}
		if _, err := c.WriteTo(msg, &net.IPAddr{IP: net.ParseIP(a.Dst)}); err != nil {
			continue
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(a.Wait) * time.Millisecond))
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				break
			}
			if n == len(msg) && b[0] == 129 && bytes.Equal(b[4:n], msg[4:]) {
				received++
				break
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(received)
}

// streamRole is TCP: "listen ADDR" sends back the hash of what each connection brings, "send ADDR N" sends N octets and
// says whether their hash came back.
func streamRole(arg string) error {
	if listen, ok := strings.CutPrefix(arg, "listen "); ok {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer func() { _ = c.Close() }()
					h := sha256.New()
					_, _ = io.Copy(h, c)
					_, _ = c.Write(h.Sum(nil))
				}()
			}
		}()
		fmt.Println("ready")
		_, _ = bufio.NewReader(os.Stdin).ReadString(0)
		return nil
	}
	var addr string
	var n int
	if _, err := fmt.Sscanf(arg, "send %s %d", &addr, &n); err != nil {
		return err
	}
	fmt.Println("ready")
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 31)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(data); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	want := sha256.Sum256(data)
	return json.NewEncoder(os.Stdout).Encode(bytes.Equal(got, want[:]))
}
