#include "persist/attachment.h"

namespace ballast::persist {

Attachment::Attachment(KeyStore& store, const Service& service,
                       const Extraction& extraction)
    : store_(&store),
      service_(service),
      kind_(extraction.key.kind),
      issue_cookie_(extraction.issue_cookie) {
  if (kind_ != Mode::kNone) {
    id_ = {service.table, DigestOf(service.key_secret, extraction.key)};
  }
}

Attachment::Seen Attachment::Look(
    Instant now, absl::FunctionRef<ServerStanding(uint32_t)> standing) const {
  Seen seen;
  if (store_ == nullptr) return seen;
  seen.entry = store_->Find(now, id_);
  if (seen.entry.has_value()) {
    seen.follow =
        FollowEntry(now, service_.layer7, standing(seen.entry->server));
  }
  return seen;
}

std::optional<uint32_t> Attachment::Find(
    Instant now, absl::FunctionRef<ServerStanding(uint32_t)> standing) {
  if (!tied()) return std::nullopt;
  const auto [entry, follow] = Look(now, standing);
  if (!entry.has_value()) {
    if (kind_ == Mode::kActiveCookie) {  // R3
      kind_ = Mode::kNone;
      issue_cookie_ = true;
    }
    return std::nullopt;
  }
  switch (follow) {
    case Follow::kGo:
      return entry->server;
    case Follow::kDiscard:  // R2
      if (enters()) store_->Erase(id_, entry->server);
      return std::nullopt;
    case Follow::kPassBy:  // R4
      kind_ = Mode::kNone;
      return std::nullopt;
  }
  return std::nullopt;
}

uint32_t Attachment::Claim(Instant now, uint32_t scheduled) {
  if (!enters()) return scheduled;
  return store_->Claim(now, id_, kind_, scheduled, service_.timeout);
}

void Attachment::Established(Instant now, uint32_t server,
                             bool new_connection) {
  if (!enters()) return;
  if (!new_connection) {
    const auto entry = store_->Find(now, id_);
    if (entry.has_value() && entry->server == server) return;
  }
  store_->Put(now, id_, kind_, server, service_.timeout);
}

void Attachment::Failed(uint32_t server) {
  if (enters()) store_->Erase(id_, server);
}

void Attachment::Learn(Instant now, const Key& key, uint32_t server) {
  if (store_ == nullptr || key.kind == Mode::kNone || service_.rehearsal) {
    return;
  }
  const KeyId id = {service_.table, DigestOf(service_.key_secret, key)};
  store_->Put(now, id, key.kind, server, service_.timeout);
  // From now on the client comes with this one: it is what Refresh() is for.
  id_ = id;
  kind_ = key.kind;
}

void Attachment::Refresh(Instant now, uint32_t server) {
  if (enters()) store_->Refresh(now, id_, server, service_.refresh);
}

}  // namespace ballast::persist
