// Lets Debian 12's user-mode Linux run on processors with more vector state
// than it knows. Preloaded: LD_PRELOAD=libuml_xstate.so linux.uml ...
//
// Problem  UML keeps its programs' vector registers with PTRACE_GETREGSET and
//          PTRACE_SETREGSET in a buffer of fixed size. A host writes none but
//          the whole state, 11 KB where there is AMX, and refuses a part
//          (EFAULT): the first program dies with "ptrace set fp regs failed".
// Choice   where a set is short, the rest of the state is filled in as it is.
// Source   Linux 6.1 arch/x86/um/os-Linux/registers.c; arch/x86/kernel/fpu/
//          regset.c, xstateregs_set().
#include <dlfcn.h>
#include <elf.h>
#include <linux/ptrace.h>  // Not sys/ptrace.h, which declares ptrace().
#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>

#include <algorithm>

namespace {

constexpr size_t kStateMax = 64 << 10;

using Ptrace = long (*)(int, ...);

long SetWholeState(Ptrace real, void* pid, void* type, const iovec& part) {
  static char whole[kStateMax];  // UML is single-threaded here.
  iovec state = {whole, sizeof(whole)};
  if (real(PTRACE_GETREGSET, pid, type, &state) != 0) return -1;
  // Where the host's is the smaller, it takes what it has, as without us.
  memcpy(whole, part.iov_base, std::min(part.iov_len, state.iov_len));
  return real(PTRACE_SETREGSET, pid, type, &state);
}

}  // namespace

extern "C" long ptrace(int request, ...) noexcept {
  static const Ptrace real =
      reinterpret_cast<Ptrace>(dlsym(RTLD_NEXT, "ptrace"));
  va_list arguments;
  va_start(arguments, request);
  void* const pid = va_arg(arguments, void*);
  void* const address = va_arg(arguments, void*);
  void* const data = va_arg(arguments, void*);
  va_end(arguments);
  if (request == PTRACE_SETREGSET &&
      address == reinterpret_cast<void*>(NT_X86_XSTATE)) {
    return SetWholeState(real, pid, address, *static_cast<iovec*>(data));
  }
  return real(request, pid, address, data);
}
