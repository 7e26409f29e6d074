#include "lb/config/shared_part.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "io/base/siphash.h"
#include "lb/config/load.h"

namespace ballast::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr absl::string_view kPerUnit[] = {
    "interfaces",
    "threads",
    "state_dir",
    "punt_interface",
    "statistics_period_s",
    "ha.mode",
    "ha.links",
    "ha.update_interface",
    "ha.reboot_command",
    "ha.multicast_interface",
    "ha.keys",
    "ha.key_file",
    "ha.wire",
    "ha.plain",
    "ha.realtime_priority",
    "connection_sync",
    "management.address",
    "management.port",
    "management.certificate_file",
    "management.key_file",
};

enum class Keep { kShared, kPerUnit };

bool IsPerUnit(absl::string_view path) {
  return std::find(std::begin(kPerUnit), std::end(kPerUnit), path) !=
         std::end(kPerUnit);
}

bool HasPerUnit(absl::string_view path) {
  return std::any_of(std::begin(kPerUnit), std::end(kPerUnit),
                     [&](absl::string_view per_unit) {
                       return absl::StartsWith(per_unit,
                                               absl::StrCat(path, "."));
                     });
}

// Clears the fields of the other kind, and messages that have no field left.
void Filter(Message& message, const std::string& prefix, Keep keep) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string path = absl::StrCat(prefix, field->name());
    if (HasPerUnit(path)) {
      Message& part = *reflection.MutableMessage(&message, field);
      Filter(part, absl::StrCat(path, "."), keep);
      if (part.ByteSizeLong() == 0) reflection.ClearField(&message, field);
    } else if (IsPerUnit(path) != (keep == Keep::kPerUnit)) {
      reflection.ClearField(&message, field);
    }
  }
}

bool HasUnknownField(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (HasUnknownField(reflection.GetMessage(message, field))) return true;
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (HasUnknownField(reflection.GetRepeatedMessage(message, field, i))) {
        return true;
      }
    }
  }
  return false;
}

std::string Serialize(const proto::Config& config) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    config.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace

std::span<const absl::string_view> PerUnitFields() { return kPerUnit; }

proto::Config SharedPart(const proto::Config& config) {
  proto::Config shared = config;
  shared.DiscardUnknownFields();
  Filter(shared, "", Keep::kShared);
  return shared;
}

proto::Config MergeShared(const proto::Config& local,
                          const proto::Config& shared) {
  proto::Config merged = local;
  merged.DiscardUnknownFields();
  Filter(merged, "", Keep::kPerUnit);
  // No field is in both.
  merged.MergeFrom(SharedPart(shared));
  return merged;
}

std::string SerializeShared(const proto::Config& config) {
  return Serialize(SharedPart(config));
}

absl::StatusOr<proto::Config> ParseShared(absl::string_view bytes) {
  if (bytes.size() > kConfigBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat(bytes.size(), " bytes of configuration, must be at most ",
                     kConfigBytesMax));
  }
  proto::Config config;
  if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.size(), " bytes that are no configuration"));
  }
  if (HasUnknownField(config)) {
    return absl::InvalidArgumentError(
        "a configuration with fields that this version does not know");
  }
  return SharedPart(config);
}

uint64_t SharedDigest(const proto::Config& config) {
  proto::Config shared = SharedPart(config);
  shared.clear_generation();
  const std::string bytes = Serialize(shared);
  return SipHash24(
      {}, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace ballast::config
