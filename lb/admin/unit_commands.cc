// get, set, getall; showhealth, modhealth; showadaptive, modadaptive;
// showiface, modiface; reboot.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/base/status_macros.h"
#include "lb/admin/command.h"
#include "lb/admin/interfaces.h"
#include "lb/admin/option.h"
#include "lb/admin/unit_parameters.h"

namespace ballast::admin {
namespace {

using config::proto::Config;
using config::proto::HealthDefaults;

constexpr uint32_t kTimeoutS = 4;
constexpr uint32_t kRetries = 2;
constexpr uint32_t kIntervalS = 9;
constexpr uint32_t kIntervalSetMaxS = 120;

// Of Config (4.10).
constexpr char kUrlDefault[] = "/load";
constexpr Option kAdaptiveUrl = Text("AdaptiveURL", "adaptive.url");
constexpr Option kAdaptiveNumbers[] = {
    Number("AdaptivePort", "adaptive.port", 3, 65530, 80),
    Number("AdaptiveInterval", "adaptive.interval_s", 1, 60, 10),
    Number("MinPercent", "adaptive.idle_percent", 0, 100, 5),
};

std::string AdaptiveUrlOf(const Config& config) {
  const std::string& url = config.adaptive().url();
  return url.empty() ? kUrlDefault : url;
}

// Without the second Data that one client wants (7.7).
Document ShowAdaptive(const Config& config) {
  std::vector<Node> nodes = {
      Node::Text(kAdaptiveUrl.name, AdaptiveUrlOf(config))};
  for (const Option& option : kAdaptiveNumbers) {
    nodes.push_back(Node::Count(option.name, GetOption(config, option)));
  }
  return Document::Of(std::move(nodes));
}

absl::StatusOr<const UnitParameter*> FindParameter(absl::string_view name) {
  const UnitParameter* parameter = FindUnitParameter(name);
  if (parameter == nullptr) {
    return absl::NotFoundError(absl::StrCat("Unknown parameter value ", name));
  }
  return parameter;
}

uint32_t OrDefault(uint32_t value, uint32_t fallback) {
  return value == 0 ? fallback : value;
}

uint32_t IntervalMin(const HealthDefaults& health) {
  return OrDefault(health.retry_count(), kRetries) *
             OrDefault(health.timeout_s(), kTimeoutS) +
         1;
}

Document ShowHealth(const HealthDefaults& health) {
  return Document::Of(
      {Node::Count("RetryInterval",
                   OrDefault(health.interval_s(),
                             std::max(kIntervalS, IntervalMin(health)))),
       Node::Count("Timeout", OrDefault(health.timeout_s(), kTimeoutS)),
       Node::Count("RetryCount", OrDefault(health.retry_count(), kRetries))});
}

// The interface that the call names, and its number.
absl::StatusOr<std::pair<uint32_t, NumberedInterface>> FindInterface(
    const Parameters& parameters, const Config& config) {
  BALLAST_ASSIGN_OR_RETURN(const auto text, Required(parameters, "interface"));
  const auto all = InterfacesOf(config);
  const auto number = ReadNumber("interface", text, 0, 0xffff);
  if (!number.ok() || *number >= all.size()) {
    return absl::NotFoundError("Unknown interface");
  }
  return std::pair(*number, all[*number]);
}

}  // namespace

absl::StatusOr<Document> GetCommand(Context& context) {
  BALLAST_ASSIGN_OR_RETURN(const auto name,
                           Required(context.parameters(), "param"));
  BALLAST_ASSIGN_OR_RETURN(const auto* parameter, FindParameter(name));
  const UnitView unit{context.config(), context.statistics().pair,
                      context.options().start, context.call().now};
  return Document::Of({ShowUnitParameter(*parameter, name, unit)});
}

absl::StatusOr<Document> SetCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  BALLAST_ASSIGN_OR_RETURN(const auto name, Required(parameters, "param"));
  auto value = parameters.Find("value");
  if (!value.has_value()) value = parameters.Find("val");
  if (!value.has_value()) return MissingValue("value");
  BALLAST_ASSIGN_OR_RETURN(const auto* parameter, FindParameter(name));
  BALLAST_RETURN_IF_ERROR(
      SetUnitParameter(*parameter, &context.config(), *value));
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> GetAllCommand(Context& context) {
  const UnitView unit{context.config(), context.statistics().pair,
                      context.options().start, context.call().now};
  std::vector<Node> data;
  for (const UnitParameter& parameter : UnitParameters()) {
    data.push_back(ShowUnitParameter(parameter, parameter.option.name, unit));
  }
  return Document::Of(std::move(data));
}

absl::StatusOr<Document> ShowHealthCommand(Context& context) {
  return ShowHealth(context.config().health());
}

// The interval grows with what it must be greater than; by itself it is set in
// a call that comes after (5.3).
absl::StatusOr<Document> ModifyHealthCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  HealthDefaults health = context.config().health();
  if (const auto text = parameters.Find("Timeout")) {
    BALLAST_ASSIGN_OR_RETURN(const uint32_t seconds,
                             ReadNumber("Timeout", *text, 4, 60));
    health.set_timeout_s(seconds);
  }
  if (const auto text = parameters.Find("RetryCount")) {
    BALLAST_ASSIGN_OR_RETURN(const uint32_t count,
                             ReadNumber("RetryCount", *text, 2, 15));
    health.set_retry_count(count);
  }
  if (const auto text = parameters.Find("RetryInterval")) {
    const uint32_t min = IntervalMin(health);
    BALLAST_ASSIGN_OR_RETURN(const uint32_t seconds,
                             ReadNumber("RetryInterval", *text, min,
                                        std::max(min, kIntervalSetMaxS)));
    health.set_interval_s(seconds);
  }
  if (health.interval_s() != 0 && health.interval_s() < IntervalMin(health)) {
    health.set_interval_s(IntervalMin(health));
  }
  if (health.ByteSizeLong() > 0) *context.config().mutable_health() = health;
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return ShowHealth(health);
}

absl::StatusOr<Document> ShowAdaptiveCommand(Context& context) {
  return ShowAdaptive(context.config());
}

absl::StatusOr<Document> ModifyAdaptiveCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  Config& config = context.config();
  const auto url = parameters.Find(kAdaptiveUrl.name);
  if (url.has_value() && *url != AdaptiveUrlOf(config)) {
    BALLAST_RETURN_IF_ERROR(SetOption(&config, kAdaptiveUrl, *url));
  }
  for (const Option& option : kAdaptiveNumbers) {
    if (const auto text = parameters.Find(option.name)) {
      BALLAST_RETURN_IF_ERROR(SetOption(&config, option, *text));
    }
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return ShowAdaptive(config);
}

absl::StatusOr<Document> ShowInterfaceCommand(Context& context) {
  const Config& config = context.config();
  BALLAST_ASSIGN_OR_RETURN(const auto found,
                           FindInterface(context.parameters(), config));
  const auto& [number, interface] = found;
  std::vector<Node> nodes = {Node::Count("Id", number),
                             Node::Text("Name", interface.name)};
  if (interface.link >= 0) {
    const auto& link = config.ha().links(interface.link);
    nodes.push_back(Node::Text("IPAddress", link.own_address()));
    nodes.push_back(
        Node::Text("SharedIPAddress", config.ha().shared_address()));
    nodes.push_back(Node::Text("PartnerIPAddress", link.partner_address()));
    nodes.push_back(Node::YesNo("HaCheck", IsChecked(config, interface.link)));
  }
  return Document::Of({Node::Object("Interface", std::move(nodes))});
}

absl::StatusOr<Document> ModifyInterfaceCommand(Context& context) {
  const Parameters& parameters = context.parameters();
  Config& config = context.config();
  BALLAST_ASSIGN_OR_RETURN(const auto found, FindInterface(parameters, config));
  const NumberedInterface& interface = found.second;
  const auto given = [&](absl::string_view name, absl::string_view alias) {
    const auto text = parameters.Find(name);
    return text.has_value() ? text : parameters.Find(alias);
  };
  const auto shared = given("SharedIPAddress", "shared");
  const auto partner = given("PartnerIPAddress", "partner");
  const auto check = parameters.Find("hacheck");
  if ((shared || partner || check) && interface.link < 0) {
    return WrongValue("interface", interface.name, "a link between the units");
  }
  if (shared) {
    config.mutable_ha()->set_shared_address(std::string(*shared));
  }
  if (partner) {
    config.mutable_ha()
        ->mutable_links(interface.link)
        ->set_partner_address(std::string(*partner));
  }
  if (check) {
    const auto flag = ReadFlag(*check);
    if (!flag) return WrongValue("hacheck", *check, "0 or 1");
    if (*flag != IsChecked(config, interface.link)) {
      config.mutable_ha()->mutable_links(interface.link)->set_check(*flag);
    }
  }
  BALLAST_RETURN_IF_ERROR(context.Commit());
  return Document::Done();
}

absl::StatusOr<Document> RebootCommand(Context& context) {
  BALLAST_RETURN_IF_ERROR(context.backend().Reboot(AuthorOf(context.call())));
  return Document::Done();
}

}  // namespace ballast::admin
