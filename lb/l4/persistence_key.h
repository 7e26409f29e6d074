// How persistence entries name services and servers: by slot, and bits of the
// identity that tell it from the next one in the same slot.
#ifndef LB_L4_PERSISTENCE_KEY_H_
#define LB_L4_PERSISTENCE_KEY_H_

#include <cstdint>

#include "io/base/address.h"
#include "lb/l4/plan.h"
#include "persist/source_store.h"

namespace ballast::l4 {

inline uint32_t PersistenceTag(Slot slot, uint64_t id) {
  return slot | static_cast<uint32_t>(id >> 48) << 16;
}
inline uint32_t TagOf(const PlanService& service) {
  return PersistenceTag(service.slot, service.id);
}
inline uint32_t TagOf(const PlanServer& server) {
  return PersistenceTag(server.slot, server.id);
}
inline persist::SourceKey KeyOf(const PlanService& service,
                                const Address& client) {
  return {TagOf(service), client};
}

// The server an entry names, if it is still that one. Null: it is not.
inline const PlanServer* ServerOf(const Plan& plan,
                                  const persist::Entry& entry) {
  const PlanServer* server =
      plan.server(static_cast<Slot>(entry.server & 0xffff));
  return server != nullptr && TagOf(*server) == entry.server ? server : nullptr;
}

}  // namespace ballast::l4

#endif  // LB_L4_PERSISTENCE_KEY_H_
