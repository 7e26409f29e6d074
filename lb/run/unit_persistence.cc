// Unit: the persistence entries of its threads and of its key store.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "io/clock.h"
#include "lb/l4/plan.h"
#include "lb/run/unit.h"
#include "persist/mode.h"

namespace ballast::run {
namespace {

// Between two rounds of packets, and under one lock of the key store.
constexpr uint32_t kEntryPlaces = 4096;
constexpr uint32_t kKeyPlaces = 1024;
constexpr absl::Duration kThreadPatience = absl::Milliseconds(20);
constexpr absl::Duration kPatience = absl::Milliseconds(200);

std::string Hex(const persist::Digest& digest) {
  const std::array<uint8_t, 16> bytes = digest.bytes();
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// nullopt: no 32 hex digits.
std::optional<persist::Digest> DigestOfHex(absl::string_view text) {
  if (text.size() != 32 ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) {
    return std::nullopt;
  }
  const std::string bytes = absl::HexStringToBytes(text);
  return persist::Digest::FromBytes(
      {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

absl::StatusOr<PersistenceList> Unit::ListPersistence(
    const PersistenceQuery& query) {
  return FindPersistence(query, /*erase=*/false);
}

absl::StatusOr<PersistenceList> Unit::DeletePersistence(
    const PersistenceQuery& query) {
  if (!active_) {
    return absl::FailedPreconditionError(
        "this unit stands by: entries are the active unit's to delete");
  }
  return FindPersistence(query, /*erase=*/true);
}

absl::StatusOr<PersistenceList> Unit::FindPersistence(
    const PersistenceQuery& query, bool erase) {
  l4::ServerChoice::EntryFilter filter{.client = query.client, .erase = erase};
  bool at_layer4 = query.key.empty();
  if (query.service.has_value()) {
    const l4::PlanService* service = FindL4(*query.service);
    if (service != nullptr) {
      filter.service = service->slot;
    } else if (proxies_ == nullptr || !proxies_->Has(*query.service)) {
      return absl::NotFoundError(
          absl::StrCat("service: no ", ProtocolName(query.service->protocol),
                       " ", query.service->endpoint.ToString()));
    } else {
      at_layer4 = false;
    }
  }
  PersistenceList list;
  const Instant deadline = MonotonicNow() + kPatience;
  // One more, to know that there are more; but not to take it out.
  const size_t wanted = erase ? query.limit : query.limit + 1;
  if (at_layer4) {
    std::optional<Endpoint> client;
    if (query.client.has_value()) client = Endpoint{*query.client, 0};
    for (const size_t lane : LanesOf(client)) {
      if (list.entries.size() >= wanted) break;
      list.more |= !FindEntries(*lanes_[lane], filter, wanted, deadline, &list);
    }
  }
  if (list.entries.size() < wanted) {
    list.more |= !FindKeys(query, erase, wanted, deadline, &list);
  }
  if (list.entries.size() > query.limit) {
    list.more = true;
    list.entries.resize(query.limit);
  }
  if (erase && list.entries.size() == query.limit) list.more = true;
  return list;
}

bool Unit::FindEntries(Lane& lane, const l4::ServerChoice::EntryFilter& filter,
                       size_t wanted, Instant deadline, PersistenceList* list) {
  if (!lane.Answers(kThreadPatience)) return false;
  const size_t room = wanted - list->entries.size();
  std::vector<l4::ServerChoice::EntryView> entries;
  entries.reserve(std::min<size_t>(room, 1024));
  uint32_t cursor = 0;
  bool all = true;
  do {
    all = MonotonicNow() < deadline &&
          lane.Call([&](Instant now, l4::Director& director) {
            cursor = director.ListPersistence(now, cursor, kEntryPlaces, filter,
                                              room, entries);
          });
    if (lane.runner() != nullptr) RunPackets();
  } while (all && cursor != 0 && entries.size() < room);
  for (const auto& entry : entries) {
    const l4::PlanService* service = plan_->service(entry.service);
    const l4::PlanServer* server = plan_->server(entry.server);
    if (service == nullptr || server == nullptr) continue;  // Gone since.
    list->entries.push_back(
        {.service = {{service->config.address, service->config.port},
                     service->config.protocol},
         .mode = std::string(persist::ModeName(persist::Mode::kSourceIp)),
         .key = entry.client.ToString(),
         .server = server->endpoint,
         .expires_in = entry.expires_in});
  }
  return all;
}

bool Unit::FindKeys(const PersistenceQuery& query, bool erase, size_t wanted,
                    Instant deadline, PersistenceList* list) {
  struct Table {
    ServiceAddress service;
    std::string sub_service;
    std::map<uint32_t, Endpoint> servers;
    bool layer7 = false;
  };
  std::map<uint64_t, const config::VirtualService*> by_id;
  for (const config::VirtualService& service : model_->services) {
    by_id[l4::ServiceId(service.protocol, service.address, service.port)] =
        &service;
  }
  std::map<uint32_t, Table> tables;
  for (L7Sync::Table& from : KeyTables()) {
    const auto service = by_id.find(from.service);
    if (service == by_id.end()) continue;
    Table table;
    table.service = {{service->second->address, service->second->port},
                     service->second->protocol};
    if (query.service.has_value() && table.service != *query.service) continue;
    table.sub_service = std::move(from.sub_service);
    table.layer7 = service->second->l7.has_value();
    for (const auto& [endpoint, number] : from.servers) {
      table.servers[number] = endpoint;
    }
    tables[from.number] = std::move(table);
  }
  const Instant now = MonotonicNow();
  std::vector<persist::KeyEntry> found;
  const size_t room = wanted - list->entries.size();
  bool all = true;
  std::optional<persist::Digest> digest;
  if (!query.key.empty()) {
    digest = DigestOfHex(query.key);
  } else if (query.client.has_value() && proxies_ != nullptr) {
    digest = proxies_->KeyOf(*query.client);
  }
  if (digest.has_value()) {
    for (const auto& [number, table] : tables) {
      const auto entry = key_store_->Find(now, {number, *digest});
      if (entry.has_value() && found.size() < room) found.push_back(*entry);
    }
  } else if (query.key.empty() && !query.client.has_value()) {
    uint64_t cursor = 0;
    do {
      cursor = key_store_->Walk(
          now, cursor, kKeyPlaces, [&](const persist::KeyEntry& entry) {
            if (found.size() < room && tables.count(entry.id.table) > 0) {
              found.push_back(entry);
            }
            return false;
          });
      all = MonotonicNow() < deadline;
    } while (all && cursor != 0 && found.size() < room);
  }
  for (const persist::KeyEntry& entry : found) {
    // One that another thread has just changed is not what was asked for.
    if (erase && !key_store_->Erase(entry.id, entry.server)) continue;
    const Table& table = tables[entry.id.table];
    const auto server = table.servers.find(entry.server);
    list->entries.push_back(
        {.layer7 = table.layer7,
         .service = table.service,
         .sub_service = table.sub_service,
         .mode = std::string(persist::ModeName(entry.kind)),
         .key = Hex(entry.id.digest),
         .server = server == table.servers.end() ? Endpoint() : server->second,
         .expires_in = entry.started + entry.timeout - now});
  }
  return all;
}

}  // namespace ballast::run
