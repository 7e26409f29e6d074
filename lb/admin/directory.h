// The services and servers of a configuration by the numbers the API has for
// them (`index` fields), or by what they are.
//
// Errors  kNotFound "Unknown VS", "Unknown RS": clients look for the word.
#ifndef LB_ADMIN_DIRECTORY_H_
#define LB_ADMIN_DIRECTORY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lb/admin/request.h"
#include "lb/config/ballast.pb.h"

namespace ballast::admin {

// Gives a number to whatever has none: greater than any there is, in the order
// of the configuration. False: nothing was left to do.
bool AssignIndices(config::proto::Config* config);
// Whether it would be false.
bool HasIndices(const config::proto::Config& config);

// A service, or one of its sub services; all of one configuration.
struct Service {
  config::proto::Config* config = nullptr;
  config::proto::VirtualService* service = nullptr;
  config::proto::SubService* sub = nullptr;  // Null: the service itself.

  uint32_t index() const { return sub ? sub->index() : service->index(); }
  bool is_l7() const { return service->has_l7(); }
  auto& servers() const {
    return sub ? *sub->mutable_real_servers()
               : *service->mutable_real_servers();
  }
  int sub_count() const { return service->l7().sub_services_size(); }
};

// By `vs`: a number, or an address with `port` and `prot`.
absl::StatusOr<Service> FindService(const Parameters& parameters,
                                    config::proto::Config* config);
absl::StatusOr<Service> FindService(uint32_t index,
                                    config::proto::Config* config);

// By `rs`: "!N", or an address with `rsport`; the place in service.servers().
absl::StatusOr<int> FindServer(const Parameters& parameters,
                               const Service& service);
// By `rs` = "!N" alone: the sub service that is member N of this service.
absl::StatusOr<Service> FindMember(const Parameters& parameters,
                                   const Service& parent);

// The port that a server is shown with: its own, or the service's.
uint32_t PortOf(const Service& service,
                const config::proto::RealServer& server);

// kOutOfRange "NAME: String Value missing".
absl::Status MissingValue(absl::string_view name);
absl::StatusOr<absl::string_view> Required(const Parameters& parameters,
                                           absl::string_view name);
// "*": 0.
absl::StatusOr<uint32_t> ReadServicePort(absl::string_view text);
absl::StatusOr<config::proto::Protocol> ReadProtocol(absl::string_view text);

}  // namespace ballast::admin

#endif  // LB_ADMIN_DIRECTORY_H_
