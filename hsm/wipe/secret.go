//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package wipe

import "runtime/secret"

// Works tells whether After wipes in this build.
const Works = true

func do(f func()) { secret.Do(f) }
