// The time of the call into BoringSSL that this thread is in. BoringSSL asks
// its contexts for it without saying for which connection, so it cannot be
// found through that: whoever calls says so first.
#ifndef LB_TLS_CALL_TIME_H_
#define LB_TLS_CALL_TIME_H_

#include <cstdint>

namespace ballast::tls {

// Seconds since 1970.
inline thread_local int64_t call_time = 0;

}  // namespace ballast::tls

#endif  // LB_TLS_CALL_TIME_H_
