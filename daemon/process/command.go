package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitConfig = 1
	ExitUsage  = 2
	ExitFault  = 3
)

// errCheck ends a command with ExitConfig; what was wrong has been printed.
var errCheck = errors.New("a check failed")

// Checked turns the outcome of a check into what a command returns.
func Checked(ok bool) error {
	if ok {
		return nil
	}
	return errCheck
}

// errFault marks failures of a daemon that had a valid configuration.
type errFault struct{ error }

func (e errFault) Unwrap() error { return e.error }

// Fault makes an error end a command with ExitFault; that of Checked stays what it is.
func Fault(err error) error {
	if err == nil || errors.Is(err, errCheck) {
		return err
	}
	return errFault{err}
}

// Spec is what differs between the two daemons.
type Spec[C any] struct {
	Name, Short string
	Load        func(path string) (*C, error)
	Common      func(*C) *config.Common
	Effective   func(*C) string
	// Explain says what the configured policy does to a packet.
	Explain func(*C, policy.Packet) config.Explanation
	// Check finds what only the protocol machines know to be wrong.
	Check func(*C) error
	New   func(*C, *slog.Logger) (Daemon, error)
}

// Command makes the command line of a daemon.
func Command[C any](s Spec[C]) *cobra.Command {
	var (
		file, packet  string
		check, asJSON bool
	)
	cmd := &cobra.Command{
		Use: s.Name + " --config FILE", Short: s.Short, Version: version(), Args: cobra.NoArgs,
		Long: s.Short + `.

Signals: SIGTERM and SIGINT end in order, SIGHUP reads certificates and revocation lists again, takes up what can change
of the configuration file and says what needs a restart, SIGUSR1 writes a snapshot into the log.

Exit codes: 0 ended in order, 1 the configuration or a check failed, 2 wrong command line, 3 could not start or fault.`,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return errors.New("--config FILE is missing")
			}
			if asJSON && packet == "" {
				return errors.New("--json goes with --explain")
			}
			if packet != "" {
				return s.explain(cmd.OutOrStdout(), file, packet, asJSON)
			}
			c, err := s.load(file)
			if err != nil {
				return err
			}
			if check {
				for _, w := range s.Common(c).Warnings {
					fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
				}
				for _, h := range s.Common(c).Hints {
					fmt.Fprintln(cmd.ErrOrStderr(), "hint:", h)
				}
				fmt.Fprint(cmd.OutOrStdout(), s.Effective(c))
				return nil
			}
			return s.run(c)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	cmd.Flags().BoolVar(&check, "check-config", false, "check the configuration, print what is in effect (without secrets), and exit")
	cmd.Flags().StringVar(&packet, "explain", "", "say which rule of the configured policy decides about a `packet`, as \"tcp 10.1.1.10:40000 > 10.1.3.10:22\", and exit")
	cmd.Flags().BoolVar(&asJSON, "json", false, "with --explain: print JSON")
	return cmd
}

// version says what was built, and whether tokens can be used with it.
func version() string {
	if pkcs11.Available {
		return control.Version + " (PKCS#11 tokens)"
	}
	return control.Version + " (no PKCS#11 tokens: built without cgo)"
}

// explain prints what the policy of the file does to a packet.
func (s Spec[C]) explain(w io.Writer, file, packet string, asJSON bool) error {
	p, err := policy.ParsePacket(packet)
	if err != nil {
		return err
	}
	c, err := s.Load(file)
	if err != nil {
		return err
	}
	e := s.Explain(c, p)
	if !asJSON {
		_, err = fmt.Fprint(w, e)
		return err
	}
	return PrintJSON(w, e)
}

// PrintJSON prints for programs what a command else prints for people.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (s Spec[C]) load(file string) (*C, error) {
	c, err := s.Load(file)
	if err != nil {
		return nil, err
	}
	if err := s.Check(c); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", config.ErrInvalid, file, err)
	}
	return c, nil
}

func (s Spec[C]) run(c *C) error {
	common := s.Common(c)
	log := Logger(common.Log, os.Stderr).With("node", common.Name)
	if err := Harden(); err != nil {
		log.Warn(err.Error())
	}
	for _, w := range common.Warnings {
		log.Warn(w)
	}
	d, err := s.New(c, log)
	if err != nil {
		return errFault{err}
	}
	err = Supervise(d, log)
	if err != nil {
		return errFault{err}
	}
	log.Info("ended in order")
	return nil
}

// Main runs the command and exits.
func Main(cmd *cobra.Command) { os.Exit(Exit(cmd.Execute())) }

// Exit prints the error of a command and returns its exit code.
func Exit(err error) int {
	var fault errFault
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errCheck):
		return ExitConfig
	case errors.As(err, &fault):
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitFault
	case errors.Is(err, config.ErrInvalid):
		fmt.Fprintln(os.Stderr, err)
		return ExitConfig
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		return ExitUsage
	}
}
