// How connections are proxied. A value, one for each service; must outlive the
// connections that were made with it.
//
// Source  LoadMaster behaviour §4.1 (idle timeout), §5.5 (error replies); the
//         rest are our own.
#ifndef LB_L7_SETTINGS_H_
#define LB_L7_SETTINGS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "lb/http/limits.h"

namespace ballast::l7 {

// What tells a server about the client. Values that a client sent are kept as
// far as said here.
struct ForwardingFields {
  enum class List : uint8_t {
    kOff,      // Not touched.
    kAppend,   // The client's address after what was there.
    kReplace,  // Only the client's address: nothing before us is trusted.
  };

  List x_forwarded_for = List::kOff;
  List forwarded = List::kOff;     // RFC 7239.
  bool x_forwarded_proto = false;  // "http" or "https", replacing.
  bool x_forwarded_host = false;   // Host, replacing.
  std::string via;                 // Our name in Via, both ways; empty: none.
};

struct ErrorPage {
  std::string body;
  std::string content_type = "text/html";
};

struct StreamSettings {
  // Nothing either way for so long ends a connection. The effective value: 0
  // is not "never".
  absl::Duration idle_timeout = absl::Seconds(660);
  absl::Duration connect_timeout = absl::Seconds(4);
  // Servers tried for one connection or request, the first included.
  uint32_t tries_max = 3;
  // Bytes held for one slow peer before the other is no longer read; what was
  // just read comes on top.
  uint32_t buffer_max = 65'536;
  // Where the chooser would see more of a client's first bytes: after so long
  // it has to do with what there is.
  absl::Duration hello_timeout = absl::Seconds(10);
  // Of the server, before the client has said a word (mail, SSH, MySQL).
  bool server_speaks_first = false;
};

struct HttpSettings {
  StreamSettings stream;
  http::Limits limits;
  // From a request's first byte to the end of its head.
  absl::Duration head_timeout = absl::Seconds(60);
  uint64_t body_size_max = 0;  // Of a request; 0: no limit.
  // Interim responses (1xx) to one request.
  uint32_t interim_max = 16;
  // Connections to servers are used again, also for other clients.
  bool reuse_servers = true;
  // Also for requests that may not be repeated if the server closes just then.
  bool reuse_for_unsafe = true;
  // Protocols an Upgrade may ask for, lower case. The rest is not passed on.
  std::vector<std::string> upgrades = {"websocket"};
  bool allow_connect = false;
  ForwardingFields forwarding;
  // By status. Others get a line of plain text.
  std::map<uint16_t, ErrorPage> error_pages;
};

}  // namespace ballast::l7

#endif  // LB_L7_SETTINGS_H_
