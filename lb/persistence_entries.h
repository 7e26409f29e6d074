// The persistence entries of a running balancer: which client comes back to
// which server. At layer 4 by the client's address; at layer 7, and of SIP, by
// digests of keys, which are not kept themselves.
//
// Sources  Balancer::ListPersistence(), DeletePersistence().
#ifndef LB_PERSISTENCE_ENTRIES_H_
#define LB_PERSISTENCE_ENTRIES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "io/base/address.h"
#include "lb/connections.h"

namespace ballast {

// What is not set is any.
struct PersistenceQuery {
  std::optional<ServiceAddress> service;
  // Entries that go by its address.
  std::optional<Address> client;
  std::string key;  // A digest: 32 hex digits.
  size_t limit = 100;
};

struct PersistenceRecord {
  bool layer7 = false;
  ServiceAddress service;
  std::string sub_service;  // Empty: the service's own, or all share them.
  std::string mode;         // "src": persist/mode.h.
  std::string key;          // The client's address, or a digest.
  Endpoint server;
  absl::Duration expires_in;
};

struct PersistenceList {
  std::vector<PersistenceRecord> entries;
  bool more = false;  // Over the limit, or not all was seen in time.
};

}  // namespace ballast

#endif  // LB_PERSISTENCE_ENTRIES_H_
