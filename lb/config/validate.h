// ballast.proto to Model: every range and every rule between fields checked,
// every default filled in.
//
// Errors   all of them at once, each with the path of its field, the value and
//          what it must be. No model then: what ran before stays.
// Warnings what is allowed but seldom meant: a server that gets under half its
//          fair share, a setting without effect, a service nothing can serve.
// Cost     control plane: linear in the configuration but for sorting the ports
//          and, for each service with schedule SH, dealing its 4096 slots.
// Threads  a pure function.
#ifndef LB_CONFIG_VALIDATE_H_
#define LB_CONFIG_VALIDATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "lb/config/ballast.pb.h"
#include "lb/config/model.h"
#include "lb/config/problems.h"

namespace ballast::config {

inline constexpr int kInterfacesMax = 16;
inline constexpr int kFloatingAddressesMax = 1024;
inline constexpr int kServicesMax = 4096;
inline constexpr int kServersPerServiceMax = 1024;
inline constexpr int kServersMax = 65535;  // In all services together.
inline constexpr uint32_t kThreadsMax = 64;
inline constexpr uint32_t kWeightMax = 65535;
inline constexpr uint32_t kConnectionLimitMax = 100'000;

struct Validated {
  std::shared_ptr<const Model> model;  // Null exactly if there are errors.
  std::vector<Problem> errors;
  std::vector<Problem> warnings;
};

// `generation` becomes the model's.
Validated Validate(const proto::Config& config, uint64_t generation);

// One line for each problem, "error: PATH: MESSAGE" or "warning: ...".
std::string Report(const Validated& validated);

}  // namespace ballast::config

#endif  // LB_CONFIG_VALIDATE_H_
