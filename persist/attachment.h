// One request's (or connection's) tie to a server through the store: what is
// found, made, started and learned, in the right order. It keeps a digest, not
// the request, and so can live as long as the connection.
//
//   Attachment tie(store, service, extraction);
//   server = tie.Find(now, standing);          // FollowEntry() decides
//   if (!server) server = tie.Claim(now, scheduler's choice);
//   ... connect ...
//   tie.Established(now, *server, true);       // or tie.Failed(*server)
//   if (tie.issue_cookie()) set ActiveCookies::Make()'s value, and Learn() it
//   tie.Learn(now, LearnKey(...).key, server)  // what the response has set
//   tie.Refresh(now, server)                   // at times, while it is open
//
// Rules
//   R1  an entry that is followed is started again only by an established
//       connection (§4.6)
//   R2  an entry of a server that is down, or disabled without drain time, is
//       dropped, and the client is scheduled anew under the same key (§5.2)
//   R3  an active cookie without an entry has expired: a new value replaces it,
//       and none is made for the old one (§4.5)
//   R4  under a full server's entry no other is made: the client comes back
//   R5  "or source IP": an active cookie is entered beside the address that the
//       first request went by (§4.5)
//
// Source  LoadMaster behaviour, sections as named.
// Threads one; the store has its own locks.
#ifndef PERSIST_ATTACHMENT_H_
#define PERSIST_ATTACHMENT_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "persist/extract.h"
#include "persist/follow.h"
#include "persist/key.h"
#include "persist/key_entry.h"
#include "persist/key_store.h"
#include "persist/mode.h"

namespace ballast::persist {

class Attachment {
 public:
  struct Service {
    uint32_t table = 0;  // Of KeyStore: the service's, or a parent's.
    SipKey key_secret;   // The pair's.
    absl::Duration timeout;
    bool refresh = false;
    bool layer7 = true;
    bool rehearsal = false;  // Nothing is entered, nor taken out.
  };

  // Not tied to anything: no persistence.
  Attachment() = default;
  Attachment(KeyStore& store, const Service& service,
             const Extraction& extraction);

  // What Find() goes by, with nothing changed: the entry, if there is one, and
  // what comes of it.
  struct Seen {
    std::optional<KeyEntry> entry;
    Follow follow = Follow::kDiscard;
  };
  Seen Look(Instant now,
            absl::FunctionRef<ServerStanding(uint32_t)> standing) const;
  // The server to go to; nullopt: schedule. Call it once, first. `standing`
  // tells of the server that the entry names.
  std::optional<uint32_t> Find(
      Instant now, absl::FunctionRef<ServerStanding(uint32_t)> standing);

  // The server for this request when Find() had none: `scheduled`, or the one
  // that another thread has just entered for the same key. (That one need not
  // be looked at again: it was scheduled a moment ago.)
  uint32_t Claim(Instant now, uint32_t scheduled);

  // A request has gone to `server`: over a connection that was established for
  // it at `now`, or, with `new_connection` false, as a later request of one
  // whose changes are stored (Stores() in settings.h).
  void Established(Instant now, uint32_t server, bool new_connection);
  // No connection to `server` came about: what Claim() entered for it goes.
  void Failed(uint32_t server);

  // The response shall set a new active cookie.
  bool issue_cookie() const { return issue_cookie_; }
  // `key` finds `server` from now on, too: a cookie that the response sets, or
  // a session ID that the server has given. Of kind kNone: nothing.
  void Learn(Instant now, const Key& key, uint32_t server);

  // The connection to `server` is still open. Once an hour is often enough.
  void Refresh(Instant now, uint32_t server);

 private:
  bool tied() const { return store_ != nullptr && kind_ != Mode::kNone; }
  bool enters() const { return tied() && !service_.rehearsal; }

  KeyStore* store_ = nullptr;
  Service service_;
  KeyId id_;
  Mode kind_ = Mode::kNone;
  bool issue_cookie_ = false;
};

}  // namespace ballast::persist

#endif  // PERSIST_ATTACHMENT_H_
