// What tells an element of a list in ballast.proto from the others, wherever it
// stands: a service's address, a server's, a name.
//
// Threads  pure functions.
#ifndef LB_CONFIG_ELEMENT_KEY_H_
#define LB_CONFIG_ELEMENT_KEY_H_

#include <google/protobuf/message.h>

#include <string>

namespace ballast::config {

// "192.0.2.10:80", "192.0.2.10:53 udp", "eth0"; of a message without any such,
// its `index`. A valid configuration has no key twice in a list.
std::string ElementKey(const google::protobuf::Message& element, int index);

}  // namespace ballast::config

#endif  // LB_CONFIG_ELEMENT_KEY_H_
