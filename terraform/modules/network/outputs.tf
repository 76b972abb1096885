output "subnet_ids" {
  description = "The private subnets."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "security_group_ids" {
  description = "Security groups of the functions."
  value       = [aws_security_group.function.id]
}

output "endpoint_services" {
  description = "Service names of all endpoints."
  value = concat(
    [for endpoint in aws_vpc_endpoint.gateway : endpoint.service_name],
    [for endpoint in aws_vpc_endpoint.interface : endpoint.service_name],
  )
}

output "gateway_policies" {
  description = "Policies of the gateway endpoints, as JSON."
  value       = { for name, endpoint in aws_vpc_endpoint.gateway : name => endpoint.policy }
}
