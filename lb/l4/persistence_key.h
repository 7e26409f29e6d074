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

// In the unit's KeyStore, where layer 7 has tables and servers as well: its
// numbers are below this bit.
inline constexpr uint32_t kLayer4Keys = 1u << 31;

inline uint32_t KeyTableOf(const PlanService& service) {
  return TagOf(service) | kLayer4Keys;
}
inline uint32_t KeyServerOf(const PlanServer& server) {
  return TagOf(server) | kLayer4Keys;
}
// Null: the service or server of that number has gone.
inline const PlanService* ServiceOfKeyTable(const Plan& plan, uint32_t table) {
  const PlanService* service = plan.service(static_cast<Slot>(table & 0xffff));
  return service != nullptr && KeyTableOf(*service) == table ? service
                                                             : nullptr;
}
inline const PlanServer* ServerOfKey(const Plan& plan, uint32_t server) {
  const PlanServer* found = plan.server(static_cast<Slot>(server & 0xffff));
  return found != nullptr && KeyServerOf(*found) == server ? found : nullptr;
}

}  // namespace ballast::l4

#endif  // LB_L4_PERSISTENCE_KEY_H_
