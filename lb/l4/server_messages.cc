// ServerChoice: services whose datagrams go each by what it says.
#include <array>
#include <span>

#include "io/base/bytes.h"
#include "io/base/siphash.h"
#include "lb/l4/persistence_key.h"
#include "lb/l4/server_choice.h"
#include "persist/attachment.h"
#include "persist/extract.h"

namespace ballast::l4 {

void ServerChoice::SetSourceKey(const config::HashKey& key) {
  source_key_ = key;
  // Messages' keys go under a secret of their own, made of the pair's.
  constexpr std::array<uint8_t, 6> kUse = {'u', 'd', 'p', 's', 'i', 'p'};
  const auto words =
      SipHash24Of128({LoadBig64(key.data()), LoadBig64(&key[8])}, kUse);
  message_key_ = {words[0], words[1]};
}

std::optional<ServerChoice::MessageChoice> ServerChoice::ChooseByMessage(
    Instant now, const PlanService& service, const Address& client,
    std::span<const uint8_t> datagram, absl::FunctionRef<bool(Slot)> has_flow,
    persist::Attachment::Seen* rehearsal) {
  const persist::Extraction found = persist::ExtractKey(
      services_[service.slot].message, datagram, client, scratch_);
  if (found.outcome == persist::Extraction::Outcome::kNone) return std::nullopt;
  persist::Attachment tie(*keys_,
                          {.table = KeyTableOf(service),
                           .key_secret = message_key_,
                           .timeout = service.config.persistence.timeout,
                           .layer7 = false,
                           .rehearsal = rehearsal != nullptr},
                          found);
  const auto standing = [&](uint32_t number) {
    const PlanServer* server = ServerOfKey(*plan_, number);
    persist::ServerStanding standing = StandingOf(now, service, server);
    if (standing.full) standing.full = !has_flow(server->slot);
    return standing;
  };
  if (rehearsal != nullptr) *rehearsal = tie.Look(now, standing);
  const bool enabled = service.config.enabled;
  if (const auto number = tie.Find(now, standing)) {
    const Slot slot = ServerOfKey(*plan_, *number)->slot;
    if (!enabled && !has_flow(slot)) {
      return MessageChoice{{kNoSlot, DropReason::kServiceDisabled}};
    }
    tie.Established(now, *number, true);
    return MessageChoice{{slot, DropReason::kNone}, true};
  }
  if (!enabled) return MessageChoice{{kNoSlot, DropReason::kServiceDisabled}};
  MessageChoice choice{rehearsal == nullptr
                           ? Schedule(now, service, client)
                           : WouldSchedule(now, service, client)};
  if (choice.server == service.sorry_server) return choice;  // Or none.
  const uint32_t scheduled = KeyServerOf(*plan_->server(choice.server));
  const uint32_t winner = tie.Claim(now, scheduled);
  if (winner != scheduled) {
    // Another thread's, of a moment ago.
    const PlanServer* server = ServerOfKey(*plan_, winner);
    if (server != nullptr && server->service == service.slot) {
      choice.server = server->slot;
    }
  }
  return choice;
}

}  // namespace ballast::l4
