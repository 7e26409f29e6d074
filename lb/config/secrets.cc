#include "lb/config/secrets.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "lb/config/element_key.h"

namespace ballast::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr absl::string_view kSecrets[] = {
    "ballast.config.proto.Config.hash_key",
    "ballast.config.proto.L7Defaults.secrets",
    "ballast.config.proto.HighAvailability.keys",
    "ballast.config.proto.PlainPeer.password",
    "ballast.config.proto.Certificate.key",
    "ballast.config.proto.NamedCertificate.key",
    "ballast.config.proto.User.password_hash",
};

bool IsSecret(const FieldDescriptor& field) {
  return std::find(std::begin(kSecrets), std::end(kSecrets),
                   field.full_name()) != std::end(kSecrets);
}

std::vector<const FieldDescriptor*> SetFields(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

// `act` on each secret that is set, with the message that has it.
void ForEachSecret(
    Message& message,
    absl::FunctionRef<void(Message&, const FieldDescriptor&)> act) {
  const Reflection& reflection = *message.GetReflection();
  for (const FieldDescriptor* field : SetFields(message)) {
    if (IsSecret(*field)) {
      act(message, *field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        ForEachSecret(*reflection.MutableMessage(&message, field), act);
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        ForEachSecret(*reflection.MutableRepeatedMessage(&message, field, i),
                      act);
      }
    }
  }
}

void Fill(Message& message, const Message& other) {
  const Reflection& reflection = *message.GetReflection();
  for (const FieldDescriptor* field : SetFields(other)) {
    if (IsSecret(*field)) {
      if (!field->is_repeated()) {
        reflection.SetString(&message, field,
                             reflection.GetString(other, field));
        continue;
      }
      reflection.ClearField(&message, field);
      for (int i = 0; i < reflection.FieldSize(other, field); ++i) {
        reflection.AddString(&message, field,
                             reflection.GetRepeatedString(other, field, i));
      }
      continue;
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (reflection.HasField(message, field)) {
        Fill(*reflection.MutableMessage(&message, field),
             reflection.GetMessage(other, field));
      }
      continue;
    }
    std::map<std::string, const Message*> others;
    for (int i = 0; i < reflection.FieldSize(other, field); ++i) {
      const Message& element = reflection.GetRepeatedMessage(other, field, i);
      others.emplace(ElementKey(element, i), &element);
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      Message& element = *reflection.MutableRepeatedMessage(&message, field, i);
      const auto found = others.find(ElementKey(element, i));
      if (found != others.end()) Fill(element, *found->second);
    }
  }
}

}  // namespace

std::span<const absl::string_view> SecretFields() { return kSecrets; }

void ClearSecrets(proto::Config& config) {
  ForEachSecret(config, [](Message& message, const FieldDescriptor& field) {
    message.GetReflection()->ClearField(&message, &field);
  });
}

void MaskSecrets(std::span<proto::Config* const> configs) {
  std::map<std::string, size_t> numbers;
  const auto mask = [&](const std::string& secret) {
    const size_t number =
        numbers.emplace(secret, numbers.size() + 1).first->second;
    return absl::StrCat("(secret ", number, ")");
  };
  for (proto::Config* config : configs) {
    ForEachSecret(*config, [&](Message& message, const FieldDescriptor& field) {
      const Reflection& reflection = *message.GetReflection();
      if (!field.is_repeated()) {
        reflection.SetString(&message, &field,
                             mask(reflection.GetString(message, &field)));
        return;
      }
      for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        reflection.SetRepeatedString(
            &message, &field, i,
            mask(reflection.GetRepeatedString(message, &field, i)));
      }
    });
  }
}

void FillSecrets(proto::Config& config, const proto::Config& other) {
  Fill(config, other);
}

}  // namespace ballast::config
