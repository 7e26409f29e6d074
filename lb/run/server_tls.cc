#include "lb/run/server_tls.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace ballast::run {
namespace {

constexpr size_t kNameMax = 253;  // RFC 1035 §2.3.4, without the last dot.

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
         c == '.' || c == '_';
}

// Of "name", "name:port" or "name.": the name; empty if it is none.
absl::string_view NameIn(absl::string_view host) {
  host = host.substr(0, host.find(':'));
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  const bool good = !host.empty() && host.size() <= kNameMax &&
                    std::all_of(host.begin(), host.end(), IsNameCharacter) &&
                    !Address::Parse(host).ok();
  return good ? host : absl::string_view();
}

}  // namespace

bool ServerTls::Name(absl::string_view host, const Address& server,
                     std::string& name) const {
  name.clear();
  if (!server_name_.empty()) {
    name = server_name_;
    return false;
  }
  absl::StrAppend(&name, NameIn(host));
  if (name.empty()) {
    name = server.ToString();
    return false;
  }
  absl::AsciiStrToLower(&name);
  return true;
}

std::unique_ptr<tls::Session> ServerTls::Connect(
    const Endpoint& server, const std::string& name) const {
  return tls::Session::Client(
      context_, name, {cache_, absl::StrCat(server.ToString(), " ", name)});
}

}  // namespace ballast::run
