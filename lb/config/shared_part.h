// What of a configuration the units of a pair have in common, and how the
// active unit gives it to its partner.
//
//   active    SerializeShared(config) ------------> ParseShared(bytes)  partner
//                                                   MergeShared(own, shared)
//                                                   Validate() as a whole,
//                                                   apply
//
// Per unit are the fields that say so in ballast.proto, PerUnitFields(). They
// never leave their unit, and what arrives in one of them is ignored: keys, the
// wire, addresses and commands are set by hand on each.
//
// Errors   ParseShared() refuses what this version does not understand whole.
//          Whether a merged configuration is any good is for Validate() to say.
// Cost     a copy of the configuration each.
// Threads  pure functions.
// Source   LoadMaster behaviour, configuration synchronisation: everything but
//          own addresses, links, routes, and secrets of the unit.
#ifndef LB_CONFIG_SHARED_PART_H_
#define LB_CONFIG_SHARED_PART_H_

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::config {

// Paths, "threads", "ha.mode".
std::span<const absl::string_view> PerUnitFields();

// `config` without what is per unit.
proto::Config SharedPart(const proto::Config& config);

// What is per unit from `local`, everything else from `shared`.
proto::Config MergeShared(const proto::Config& local,
                          const proto::Config& shared);

// The shared part of `config` in Protobuf's binary form; equal configurations
// give equal bytes.
std::string SerializeShared(const proto::Config& config);

//   kInvalidArgument    not what SerializeShared() writes, or with a field that
//                       only a later version knows
//   kResourceExhausted  above kConfigBytesMax of load.h
absl::StatusOr<proto::Config> ParseShared(absl::string_view bytes);

// Equal for equal shared parts, whatever their generation; of two that differ
// equal once in 2^64. No protection against forgery.
uint64_t SharedDigest(const proto::Config& config);

}  // namespace ballast::config

#endif  // LB_CONFIG_SHARED_PART_H_
