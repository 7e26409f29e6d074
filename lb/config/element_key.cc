#include "lb/config/element_key.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::config {
namespace {

template <typename T>
const T* As(const google::protobuf::Message& message) {
  return google::protobuf::DynamicCastToGenerated<T>(&message);
}

std::string WithPort(const std::string& address, uint32_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return absl::StrCat(v6 ? "[" : "", address, v6 ? "]:" : ":", port);
}

}  // namespace

std::string ElementKey(const google::protobuf::Message& element, int index) {
  if (const auto* service = As<proto::VirtualService>(element)) {
    return absl::StrCat(WithPort(service->address(), service->port()),
                        service->protocol() == proto::UDP ? " udp" : "");
  }
  if (const auto* server = As<proto::RealServer>(element)) {
    return WithPort(server->address(), server->port());
  }
  if (const auto* sub = As<proto::SubService>(element)) return sub->name();
  if (const auto* link = As<proto::Interface>(element)) return link->name();
  if (const auto* link = As<proto::HaLink>(element)) return link->interface();
  if (const auto* floating = As<proto::FloatingAddress>(element)) {
    return floating->address();
  }
  if (const auto* user = As<proto::User>(element)) return user->name();
  if (const auto* key = As<proto::ApiKey>(element)) return key->id();
  if (const auto* certificate = As<proto::NamedCertificate>(element)) {
    return certificate->name();
  }
  if (const auto* certificate = As<proto::Certificate>(element)) {
    if (!certificate->name().empty()) return certificate->name();
    if (!certificate->chain_file().empty()) return certificate->chain_file();
    if (!certificate->chain().empty()) return certificate->chain();
  }
  return absl::StrCat(index);
}

}  // namespace ballast::config
