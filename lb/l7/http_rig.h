// A test fixture: an HttpConnection with an owner in memory.
#ifndef LB_L7_HTTP_RIG_H_
#define LB_L7_HTTP_RIG_H_

#include <gtest/gtest.h>

#include <memory>

#include "lb/l7/http_connection.h"
#include "lb/l7/rig.h"

namespace ballast::l7 {

inline constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
inline constexpr char kOk[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

inline constexpr char kUpgrade[] =
    "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\n\r\n";

class HttpConnectionTest : public testing::Test {
 protected:
  using HttpRig = Rig<HttpConnection>;
  void Start() { rig_ = std::make_unique<HttpRig>(settings, &counters); }
  HttpRig& rig() {
    if (rig_ == nullptr) Start();
    return *rig_;
  }
  uint64_t outcomes(Outcome outcome) const {
    return counters.outcomes[static_cast<size_t>(outcome)].value();
  }

  HttpSettings settings;
  Counters counters;
  std::unique_ptr<HttpRig> rig_;
};

}  // namespace ballast::l7

#endif  // LB_L7_HTTP_RIG_H_
