#include "lb/http/connection_fields.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"

namespace ballast::http {

bool NamedByConnection(const Fields& fields, absl::string_view name) {
  bool named = false;
  fields.ForEachElement(FieldId::kConnection, [&](absl::string_view option) {
    named = named || absl::EqualsIgnoreCase(option, name);
  });
  return named;
}

bool ConnectionNamesFields(const Fields& fields) {
  bool names = false;
  fields.ForEachElement(FieldId::kConnection, [&](absl::string_view option) {
    names = names || !(absl::EqualsIgnoreCase(option, "keep-alive") ||
                       absl::EqualsIgnoreCase(option, "close") ||
                       absl::EqualsIgnoreCase(option, "upgrade"));
  });
  return names;
}

void RemoveNamedByConnection(Fields* fields) {
  if (!ConnectionNamesFields(*fields)) return;
  std::vector<std::string> names;
  fields->ForEachElement(FieldId::kConnection, [&](absl::string_view option) {
    if (!absl::EqualsIgnoreCase(option, "upgrade")) names.emplace_back(option);
  });
  for (const std::string& name : names) fields->Remove(name);
  fields->Remove(FieldId::kConnection);
}

}  // namespace ballast::http
