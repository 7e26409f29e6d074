// The fields of a virtual service in the API, each a row of one table: how it
// reads and what may be said of it. Of a sub service too, which has some of
// them for itself and the rest from its parent.
//
// An echo of what was read changes nothing, whatever the field.
//
// Errors  kInvalidArgument naming the field, value and limit. What fits
//         together is for validation to say (Backend::Change()).
// Source  LoadMaster behaviour, 4, 5 and 7.6, whose order it is. Fields of what
//         this program does not have read as switched off, and can only be said
//         to be so.
#ifndef LB_ADMIN_SERVICE_FIELDS_H_
#define LB_ADMIN_SERVICE_FIELDS_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lb/admin/directory.h"
#include "lb/admin/document.h"
#include "lb/admin/option.h"
#include "lb/admin/request.h"
#include "lb/statistics.h"

namespace ballast::admin {

// What fields are read from.
struct ServiceView {
  const Service& service;
  const ServiceStatistics* statistics = nullptr;
};

enum class Show : uint8_t { kAlways, kIfSet };

struct ServiceField {
  Option option;  // Of VirtualService.
  As as = As::kText;
  Show show = Show::kAlways;
  // Of SubService; empty: the parent's counts.
  absl::string_view sub_path = {};
  // In place of paths; null: as they say. Sub services are set only if
  // `sub_path` is not empty.
  std::string (*get)(const ServiceView& view) = nullptr;
  absl::Status (*set)(const Service& service, absl::string_view text) = nullptr;
};

std::span<const ServiceField> ServiceFields();

// All that are to be shown, in order.
std::vector<Node> ShowService(const ServiceView& view);
// Takes over what `parameters` have. On an error the service may be half
// changed: it is to be a copy.
absl::Status ChangeService(const Parameters& parameters,
                           const Service& service);

}  // namespace ballast::admin

#endif  // LB_ADMIN_SERVICE_FIELDS_H_
