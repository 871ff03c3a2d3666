//go:build cgo

package pkcs11

/*
// clear_registers empties the vector registers that a C function may leave as it likes. Modules copy keys with them, and
// what is left there the Go runtime saves in its own memory when it next interrupts this thread.
#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void clear_wide(void) {
	__asm__ __volatile__(
		"vpxorq %%zmm16,%%zmm16,%%zmm16\n\tvpxorq %%zmm17,%%zmm17,%%zmm17\n\tvpxorq %%zmm18,%%zmm18,%%zmm18\n\tvpxorq %%zmm19,%%zmm19,%%zmm19\n\t"
		"vpxorq %%zmm20,%%zmm20,%%zmm20\n\tvpxorq %%zmm21,%%zmm21,%%zmm21\n\tvpxorq %%zmm22,%%zmm22,%%zmm22\n\tvpxorq %%zmm23,%%zmm23,%%zmm23\n\t"
		"vpxorq %%zmm24,%%zmm24,%%zmm24\n\tvpxorq %%zmm25,%%zmm25,%%zmm25\n\tvpxorq %%zmm26,%%zmm26,%%zmm26\n\tvpxorq %%zmm27,%%zmm27,%%zmm27\n\t"
		"vpxorq %%zmm28,%%zmm28,%%zmm28\n\tvpxorq %%zmm29,%%zmm29,%%zmm29\n\tvpxorq %%zmm30,%%zmm30,%%zmm30\n\tvpxorq %%zmm31,%%zmm31,%%zmm31"
		::: "memory");
}

__attribute__((target("avx"))) static void clear_avx(void) { __asm__ __volatile__("vzeroall" ::: "memory"); }

static void clear_registers(void) {
	if (__builtin_cpu_supports("avx512f")) clear_wide();
	if (__builtin_cpu_supports("avx")) { clear_avx(); return; }
	__asm__ __volatile__(
		"pxor %%xmm0,%%xmm0\n\tpxor %%xmm1,%%xmm1\n\tpxor %%xmm2,%%xmm2\n\tpxor %%xmm3,%%xmm3\n\tpxor %%xmm4,%%xmm4\n\tpxor %%xmm5,%%xmm5\n\t"
		"pxor %%xmm6,%%xmm6\n\tpxor %%xmm7,%%xmm7\n\tpxor %%xmm8,%%xmm8\n\tpxor %%xmm9,%%xmm9\n\tpxor %%xmm10,%%xmm10\n\tpxor %%xmm11,%%xmm11\n\t"
		"pxor %%xmm12,%%xmm12\n\tpxor %%xmm13,%%xmm13\n\tpxor %%xmm14,%%xmm14\n\tpxor %%xmm15,%%xmm15"
		::: "memory");
}
#elif defined(__aarch64__)
static void clear_registers(void) { // v8 to v15 are given back as they were
	__asm__ __volatile__(
		"movi v0.16b,#0\n\tmovi v1.16b,#0\n\tmovi v2.16b,#0\n\tmovi v3.16b,#0\n\tmovi v4.16b,#0\n\tmovi v5.16b,#0\n\tmovi v6.16b,#0\n\tmovi v7.16b,#0\n\t"
		"movi v16.16b,#0\n\tmovi v17.16b,#0\n\tmovi v18.16b,#0\n\tmovi v19.16b,#0\n\tmovi v20.16b,#0\n\tmovi v21.16b,#0\n\tmovi v22.16b,#0\n\tmovi v23.16b,#0\n\t"
		"movi v24.16b,#0\n\tmovi v25.16b,#0\n\tmovi v26.16b,#0\n\tmovi v27.16b,#0\n\tmovi v28.16b,#0\n\tmovi v29.16b,#0\n\tmovi v30.16b,#0\n\tmovi v31.16b,#0"
		::: "memory");
}
#else
static void clear_registers(void) {}
#endif

#include <signal.h>

// hold_signals keeps signals from this thread. When one comes the kernel saves all registers where the Go runtime has its signals
// handled, in Go memory that nobody wipes, and Go sends many (SIGURG, to stop goroutines that run for long). Those that say
// that the thread itself went wrong must come.
static void hold_signals(sigset_t *before) {
	sigset_t all;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV); sigdelset(&all, SIGBUS); sigdelset(&all, SIGFPE); sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP); sigdelset(&all, SIGABRT); sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

static void let_signals(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }
*/
import "C"

import "runtime"

// onThread calls a function of the module without signals, and clears what it leaves in the thread's registers.
func onThread(f func()) {
	runtime.LockOSThread() // registers and signals are the thread's, and so are the freed blocks of the C heap
	defer runtime.UnlockOSThread()
	var before C.sigset_t
	C.hold_signals(&before)
	defer C.let_signals(&before)
	defer C.clear_registers()
	f()
}
