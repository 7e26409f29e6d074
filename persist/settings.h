// What a service says about persistence, and what the unit says for all; with
// the vendor's names, ranges and defaults. lb/config fills it in.
//
// Source  LoadMaster behaviour §4.5, §4.6, §5.2; where it is silent, our choice
//         (D).
#ifndef PERSIST_SETTINGS_H_
#define PERSIST_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "persist/mode.h"

namespace ballast::persist {

inline constexpr absl::Duration kTimeoutDefault = absl::Seconds(360);  // D
inline constexpr char kActiveCookieNameDefault[] = "LMPERSIST";        // D
inline constexpr char kSipFieldDefault[] = "Call-ID";                  // D
inline constexpr size_t kNameMax = 255;  // Bytes of a name; D.

// What ssl goes by for a client that offers TLS 1.3. There the session ID is no
// key: the client makes up a new one for each connection (RFC 8446 §4.1.2), and
// what resumes the session is encrypted. Ours; the vendor has kNothing alone.
enum class Tls13Key : uint8_t {
  kNothing,     // Its session ID, in case the server agrees on TLS 1.2 only.
  kServerName,  // SNI: all clients of one name share a server.
  kSourceIp,
};

struct Settings {
  // [Persist] Default none.
  Mode mode = Mode::kNone;
  // [PersistTimeout] 0 to 2419200 s (28 days), whole minutes; 0: off.
  absl::Duration timeout;
  // [Cookie] The cookie's name for cookie, cookie-src (required) and
  // active-cookie, active-cook-src (default LMPERSIST); the header's for header
  // (required); the SIP header field's for udpsip (default Call-ID). A token
  // (RFC 9110 §5.6.2) of at most 255 bytes. Case matters for cookies only.
  std::string name;
  // [QueryTag] The item's name for query-hash (required), at most 255 bytes.
  std::string query_item;
  // [RefreshPersist] Default off; has an effect from a timeout of 4 days.
  bool refresh = false;
  Tls13Key tls13 = Tls13Key::kNothing;
};

// [alwayspersist] Which requests of a connection are looked at. The clock of an
// entry starts with a connection; a later request starts it only if it makes
// the entry or lets it point elsewhere (D).
enum class CheckFrequency : uint8_t {
  kFirstRequest = 0,
  kEveryRequest = 1,
  kEveryRequestAndStore = 2,  // Changes are stored in mid-connection.
};
inline bool LooksUp(CheckFrequency frequency, bool first_request) {
  return first_request || frequency != CheckFrequency::kFirstRequest;
}
inline bool Stores(CheckFrequency frequency, bool first_request) {
  return first_request || frequency == CheckFrequency::kEveryRequestAndStore;
}

struct UnitSettings {
  // [alwayspersist] 0, 1, 2; no and yes are 0 and 1.
  CheckFrequency check_frequency = CheckFrequency::kFirstRequest;
  // [addcookieport] The client's port goes into active cookies.
  bool add_cookie_port = false;
  // [ShareSubVSPersist] A parent's SubVSs have one table together.
  bool share_subvs = false;
  // [finalpersist] 0, or 60 to 86400 s.
  absl::Duration drain_time = absl::Seconds(300);
};

// What kind of service the settings are for.
struct ServiceTraits {
  bool layer7 = false;
  bool udp = false;
  bool http = false;            // Service type http.
  bool terminates_tls = false;  // SSL acceleration.
};

// The mode and timeout that are in force, of those that were given: a mode
// without a timeout has the default; a timeout of a minute or more without a
// mode means source IP; less than a minute turns persistence off.
struct ModeAndTimeout {
  Mode mode = Mode::kNone;
  absl::Duration timeout;
  friend bool operator==(const ModeAndTimeout&,
                         const ModeAndTimeout&) = default;
};
ModeAndTimeout Resolve(Mode mode, std::optional<absl::Duration> timeout);

// Names the first field that is wrong, its value and what it may be.
absl::Status Check(const Settings& settings, const ServiceTraits& service);
absl::Status Check(const UnitSettings& settings);

}  // namespace ballast::persist

#endif  // PERSIST_SETTINGS_H_
