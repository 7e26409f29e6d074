// What the owner of a proxied connection has to do after each call, in the
// order of the fields. The same for HTTP and for plain streams.
//
// The owner has two legs: the client's, and at most one to a server.
// Sends    one span at a time on each leg. Each is answered by exactly one
//          ClientSent() or ServerSent() with the bytes that went, also if the
//          send failed or its leg was closed meanwhile; until then the span
//          stays where it is and the connection must not be destroyed. If a
//          send fails, first comes what was received before, then ServerGone()
//          or ClientGone(), then that report.
// Reading  bytes that arrive while it is not wanted may still be given, which
//          costs memory: reading should stop soon.
// Ends     a leg that was closed or released reports nothing but ServerSent().
//          Closing a leg that is not there is nothing.
#ifndef LB_L7_ORDERS_H_
#define LB_L7_ORDERS_H_

#include <cstdint>
#include <span>

#include "absl/strings/string_view.h"
#include "io/base/address.h"

namespace ballast::l7 {

// Where a connection to a server goes.
struct ServerChoice {
  Endpoint server;
  // Zero port: any. Unspecified address: the system's choice.
  Endpoint source;
  uint64_t tag = 0;  // The chooser's own.
  uint8_t tos = 0;   // Of packets to the server, and to the client from now on.
};

struct ConnectOrder {
  ServerChoice choice;
  // Whom the client asks for, as Host has it; empty: not known.
  absl::string_view host;
  bool may_reuse = false;  // A pooled connection will do.
};

struct Orders {
  bool close_server = false;    // Cut, whatever is on its way.
  bool release_server = false;  // Idle and in good order: for the pool.
  // Valid until the next call. To be answered with ServerConnected() or
  // ServerFailed().
  const ConnectOrder* connect = nullptr;
  std::span<const uint8_t> to_server;
  bool end_server = false;  // Everything is sent: shut down writing.
  std::span<const uint8_t> to_client;
  bool end_client = false;
  // The end of it all; no further call but the destructor. With `linger` the
  // client may still be sending: read and discard for a moment before the
  // close, or the reset destroys what it has not read yet.
  bool close_client = false;
  bool linger = false;
  bool reset_client = false;  // Cut, so that the client sees it is incomplete.
  // Wanted from now on.
  bool read_client = false;
  bool read_server = false;
};

// Who is asking, and where.
struct Client {
  Endpoint address;  // The peer's.
  Endpoint local;    // The virtual service's.
  bool tls = false;
  uint8_t tos = 0;  // Of the client's first packet, where anybody asked.
};

}  // namespace ballast::l7

#endif  // LB_L7_ORDERS_H_
