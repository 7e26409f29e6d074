#include "lb/admin/status_page.h"

#include <algorithm>
#include <iterator>

#include "lb/admin/page_files.h"

namespace ballast::admin {
namespace {

constexpr PageFile kFiles[] = {
    {"/", "text/html; charset=utf-8", page_files::kIndexHtml},
    {"/page/style.css", "text/css; charset=utf-8", page_files::kStyleCss},
    {"/page/page.js", "text/javascript; charset=utf-8", page_files::kPageJs},
    {"/page/services.js", "text/javascript; charset=utf-8",
     page_files::kServicesJs},
    {"/page/chart.js", "text/javascript; charset=utf-8", page_files::kChartJs},
    {"/page/format.js", "text/javascript; charset=utf-8",
     page_files::kFormatJs},
    {"/page/icon.svg", "image/svg+xml", page_files::kIconSvg},
};

constexpr std::pair<absl::string_view, absl::string_view> kFields[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; "
     "frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

}  // namespace

const PageFile* FindPageFile(absl::string_view path) {
  const auto* const file =
      std::find_if(std::begin(kFiles), std::end(kFiles),
                   [&](const PageFile& one) { return one.path == path; });
  return file == std::end(kFiles) ? nullptr : file;
}

std::span<const std::pair<absl::string_view, absl::string_view>> PageFields() {
  return kFields;
}

}  // namespace ballast::admin
