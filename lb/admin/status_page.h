// The status page: its files, embedded at build time, and the fields that keep
// a browser from running or fetching anything else on it.
//
//   /                 the page; it asks /v1 (v1.proto)
//   /page/...         its style, scripts and icon
//
// Threads  constant data.
#ifndef LB_ADMIN_STATUS_PAGE_H_
#define LB_ADMIN_STATUS_PAGE_H_

#include <span>
#include <utility>

#include "absl/strings/string_view.h"

namespace ballast::admin {

struct PageFile {
  absl::string_view path;
  absl::string_view content_type;
  absl::string_view body;
};

// Null: no such file.
const PageFile* FindPageFile(absl::string_view path);

// For every reply of the listener, whatever it is.
std::span<const std::pair<absl::string_view, absl::string_view>> PageFields();

}  // namespace ballast::admin

#endif  // LB_ADMIN_STATUS_PAGE_H_
