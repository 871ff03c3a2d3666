//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"path/filepath"
	"testing"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/soft"
)

// BenchmarkCustody puts files and a SoftHSM token side by side; ops/s is of as many callers as sessions.
func BenchmarkCustody(b *testing.B) {
	s := hsmtest.NewSoftHSM(b, "one")
	files, err := soft.Open(filepath.Join(b.TempDir(), "keys"))
	if err != nil {
		b.Fatal(err)
	}
	token := opened(b, options(s, "one"))
	window, err := hsm.NewWindow()
	if err != nil {
		b.Fatal(err)
	}
	push := make([]byte, 1024)
	for _, backend := range []struct {
		name string
		h    hsm.Token
	}{{"soft", files}, {"softhsm", token}} {
		signing := func(scheme hsm.Scheme) func(context.Context, string) error {
			return func(ctx context.Context, key string) error {
				_, err := backend.h.Sign(ctx, key, scheme, crypto.SHA256, digest)
				return err
			}
		}
		for _, row := range []struct {
			name string
			spec hsm.Spec
			do   func(ctx context.Context, key string) error
		}{
			{"sign-rsa2048", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}, signing(hsm.RSAPKCS1v15)},
			{"sign-rsa3072", hsm.Spec{Kind: hsm.RSA3072, Use: hsm.Sign}, signing(hsm.RSAPKCS1v15)},
			{"sign-p256", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}, signing(hsm.ECDSAConcat)},
			{"sign-p384", hsm.Spec{Kind: hsm.P384, Use: hsm.Sign}, signing(hsm.ECDSAConcat)},
			{"encrypt-push-1024", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt}, func(ctx context.Context, key string) error {
				_, err := backend.h.EncryptCBC(ctx, key, digest[:16], push)
				return err
			}},
			{"reveal-kek", hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt, Movable: true}, func(ctx context.Context, key string) error {
				value, err := window.Reveal(ctx, backend.h, key)
				clear(value)
				return err
			}},
		} {
			b.Run(row.name+"/"+backend.name, func(b *testing.B) {
				if err := backend.h.Ensure(b.Context(), row.name, row.spec); err != nil {
					b.Fatal(err)
				}
				b.SetParallelism(2)
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := row.do(b.Context(), row.name); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}
