#include "lb/l7/chooser.h"

#include "io/base/check.h"

namespace ballast::l7 {

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAnswered:
      return "answered";
    case Outcome::kTunnelled:
      return "tunnelled";
    case Outcome::kConnectFailed:
      return "connect_failed";
    case Outcome::kConnectTimeout:
      return "connect_timeout";
    case Outcome::kTlsFailed:
      return "tls_failed";
    case Outcome::kTlsNameFailed:
      return "tls_name_failed";
    case Outcome::kServerSilent:
      return "server_silent";
    case Outcome::kServerStalled:
      return "server_stalled";
    case Outcome::kServerClosed:
      return "server_closed";
    case Outcome::kServerBroke:
      return "server_broke";
    case Outcome::kServerInvalid:
      return "server_invalid";
    case Outcome::kClientAborted:
      return "client_aborted";
    case Outcome::kClientStalled:
      return "client_stalled";
    case Outcome::kClientInvalid:
      return "client_invalid";
    case Outcome::kDropped:
      return "dropped";
    case Outcome::kCount:
      break;
  }
  BALLAST_CHECK(false);
}

}  // namespace ballast::l7
